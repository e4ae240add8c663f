"""Retry with exponential backoff and full jitter until an event is set."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_unless_exception_type,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)
from tenacity.nap import sleep_using_event

__all__ = ["failure", "retry_until"]

Errors = type[Exception] | tuple[type[Exception], ...]


def retry_until(
    stop: threading.Event,
    errors: Errors,
    *,
    final: Errors = (),
    first: float = 0.5,
    longest: float = 10.0,
    limit: float | None = None,
    sleep: Callable[[float], None] | None = None,
    report: Callable[[RetryCallState], None] | None = None,
) -> Retrying:
    """Return a `Retrying` that repeats a call after these errors, until `stop` is set or `limit` seconds have passed.

    It then raises the last error. The wait grows from `first` to `longest` seconds, each drawn at random from 0 up
    (AWS Architecture Blog, "Exponential Backoff and Jitter"). `final` are those of `errors` that no
    repetition mends: they are raised at once. `sleep` replaces the wait, `report` is called before each wait.
    """
    stop_event = stop_when_event_set(stop)
    return Retrying(
        retry=retry_if_exception_type(errors) & retry_unless_exception_type(final),
        wait=wait_random_exponential(multiplier=first, max=longest),
        stop=stop_event if limit is None else stop_any(stop_after_delay(limit), stop_event),
        sleep=sleep or sleep_using_event(stop),
        before_sleep=report,
        reraise=True,
    )


def failure(state: RetryCallState) -> tuple[str, float]:
    """Return the text of the last error and the seconds until the next attempt, for a log line."""
    error = state.outcome.exception() if state.outcome else None
    return str(error), round(state.upcoming_sleep, 1)
