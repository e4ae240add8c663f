"""Settings of the retention, in days; 0 keeps rows for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from rules.retention import Retention

__all__ = ["RetentionSettings"]

_LONGEST = 36_500.0


def _check(days: float, least: float, why: str) -> float:
    if 0 < days < least:
        raise ValueError(f"must be 0 (for ever) or at least {least:g} days: {why}")
    return days


def _days(least: float, why: str) -> AfterValidator:
    return AfterValidator(lambda days: _check(days, least, why))


Range = Field(ge=0, le=_LONGEST)
Minutes = Annotated[float, Range, _days(1, "the charts of the last day show minutes")]
Hours = Annotated[float, Range, _days(7, "the charts of the last days show hours")]
Rows = Annotated[float, Range, _days(1, "what a day brings is looked at the day after")]
Orders = Annotated[float, Range, _days(30, "an order that the shop sends again later would be taken for a new one")]
Tombstones = Annotated[float, Range, _days(30, "an older event that comes later would bring the entity back")]


class RetentionSettings(BaseSettings):
    """Settings that say how long rows are kept; whole tables are kept for ever unless their setting says otherwise."""

    model_config = SettingsConfigDict(defer_build=True)

    keep_ledger_minutes: Minutes = 2
    keep_ledger_hours: Hours = 60
    keep_quarantine: Rows = 0
    keep_repairs: Rows = 0
    keep_audit: Rows = 0
    keep_orders: Orders = 0
    keep_tombstones: Tombstones = 0

    @property
    def retention(self) -> Retention:
        """Return the retention of these settings."""
        return Retention(
            ledger_minutes=_age(self.keep_ledger_minutes),
            ledger_hours=_age(self.keep_ledger_hours),
            quarantine=_age(self.keep_quarantine),
            repairs=_age(self.keep_repairs),
            audit=_age(self.keep_audit),
            orders=_age(self.keep_orders),
            tombstones=_age(self.keep_tombstones),
        )


def _age(days: float) -> timedelta | None:
    return timedelta(days=days) if days else None
