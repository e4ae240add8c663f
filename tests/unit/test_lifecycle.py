"""Loops are well while they turn, whatever they wait for; one that hangs or has ended is named."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_when_event_set, wait_fixed
from tenacity.nap import sleep_using_event

from comporta.runtime.threads import ThreadGroup
from tests.support.wait import wait_until

# An event's `set` takes the event's lock, which the main thread may have when the signal comes.
_SIGNAL_WITHIN_THE_LOCK = """
import signal, threading
from comporta.runtime.threads import stop_on_signals

class Stop(threading.Event):
    lock = threading.Lock()
    def set(self):
        with self.lock:
            super().set()

stop = Stop()
stop_on_signals(stop)
with stop.lock:
    signal.raise_signal(signal.SIGTERM)
stop.wait()
"""
_SECOND_SIGNAL = """
import signal, threading
from comporta.runtime.threads import stop_on_signals

stop_on_signals(threading.Event())
signal.raise_signal(signal.SIGINT)
print("finishing", flush=True)
signal.raise_signal(signal.SIGTERM)
print("never", flush=True)
"""


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    stop = threading.Event()
    yield stop
    stop.set()


def turning(pulse: threading.Event) -> Callable[[], None]:
    """A loop that turns until told to stop."""

    def run() -> None:
        while not pulse.is_set():
            threading.Event().wait(0.005)

    return run


def retrying(pulse: threading.Event) -> Callable[[], None]:
    """A loop whose every attempt fails, as while the broker is away."""

    def attempt() -> None:
        raise ConnectionError

    def run() -> None:
        again = Retrying(
            retry=retry_if_exception_type(ConnectionError),
            wait=wait_fixed(0.01),
            stop=stop_when_event_set(pulse),
            sleep=sleep_using_event(pulse),
        )
        with suppress(RetryError):
            again(attempt)

    return run


def hanging(pulse: threading.Event) -> Callable[[], None]:
    """A loop that turns once, and never comes back."""

    def run() -> None:
        pulse.is_set()
        threading.Event().wait()

    return run


def test_a_loop_that_hangs_is_named_and_those_that_turn_or_retry_are_not(stop: threading.Event) -> None:
    loops = ThreadGroup(stop, stall_seconds=0.3)
    for name, kind in {"turning": turning, "retrying": retrying, "hanging": hanging}.items():
        loops.start(name, kind(loops.pulse(name)))
    assert loops.unhealthy() == {}
    found = wait_until(loops.unhealthy, what="the hanging loop to be found")
    assert list(found) == ["hanging"]
    assert "has not turned for" in found["hanging"]


def test_a_loop_that_fails_is_named_and_stops_the_others(stop: threading.Event) -> None:
    loops = ThreadGroup(stop)

    def failing() -> None:
        raise RuntimeError

    loops.start("turning", turning(loops.pulse("turning")))
    loops.start("failing", failing)
    wait_until(stop.is_set, what="the stop")
    assert loops.join()
    assert loops.unhealthy()["failing"] == "has ended"


def test_a_stop_that_was_asked_for_is_no_illness(stop: threading.Event) -> None:
    loops = ThreadGroup(stop)
    loops.start("turning", turning(loops.pulse("turning")))
    stop.set()
    assert loops.join()
    assert loops.unhealthy() == {}


def test_who_stops_a_pulse_stops_everything(stop: threading.Event) -> None:
    loops = ThreadGroup(stop)
    loops.pulse("one").set()
    assert loops.pulse("another").wait(0)


@pytest.mark.parametrize(
    ("script", "code", "says"), [(_SIGNAL_WITHIN_THE_LOCK, 0, ""), (_SECOND_SIGNAL, 143, "finishing\n")]
)
def test_the_first_signal_stops_whatever_the_main_thread_does_and_the_second_ends(
    script: str, code: int, says: str
) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, says, "")
