"""What is said and answered when something is done over HTTP; an unknown field is refused.

A misspelt filter would otherwise mean everything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from control.replay import Replayed
from rules.orders import OrderState
from schemas.events import SHOP
from storage.missed import Wanted, key_of
from storage.order_retry import Retryable
from storage.releasing import Chosen
from storage.repairs import Sheet

__all__ = [
    "DropDone",
    "ManyMessages",
    "ManyOrders",
    "ReplayDone",
    "ResyncDone",
    "ResyncWanted",
    "RetryDone",
    "RetryManyDone",
    "SheetShown",
    "Why",
]

_MOST_NAMED = 1_000
ChangeDomain = Literal["products", "images", "packagings", "price_tables", "prices", "stock", "customers"]
Shop = Annotated[str, Field(pattern=f"^{SHOP.pattern}$")]
Reason = Annotated[str | None, Field(max_length=500, pattern=r"^[^\x00]*$", description="Why; kept in the audit.")]
Expected = Annotated[
    int | None,
    Field(ge=0, description="The number that was shown; another one now is refused. Needed unless it is a dry run."),
]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Why(_Said):
    """Why something is done."""

    reason: Reason = None


class Many(Why):
    """Many at once: a dry run says how many, and only that many are then acted on."""

    expected: Expected = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        if self.expected is None and not self.dry_run:
            raise ValueError("expected is missing: a dry run says how many it is about")
        return self


class MessageFilter(_Said):
    """Which messages of the quarantine; without any member, all."""

    ids: Annotated[list[str], Field(min_length=1, max_length=_MOST_NAMED)] | None = None
    shop: str | None = None
    domain: str | None = None
    reason: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class ManyMessages(Many):
    """Many messages of the quarantine."""

    filter: MessageFilter

    @property
    def chosen(self) -> Chosen:
        """The messages that are meant."""
        said = self.filter.model_dump()
        return Chosen(**{**said, "ids": said["ids"] and tuple(said["ids"])})


class OrderFilter(_Said):
    """Which orders."""

    state: Literal["rejected", "sent", "waiting"] = "rejected"
    shop: Shop | None = None


class ManyOrders(Many):
    """Many orders."""

    filter: OrderFilter

    @property
    def which(self) -> Retryable:
        """The orders that are meant."""
        return Retryable(OrderState(self.filter.state), self.filter.shop)


class ResyncWanted(Why):
    """Which missed keys the ERP is asked for: all, those of a shop or domain, or exactly these of one of both."""

    shop: Shop | None = None
    domain: ChangeDomain | None = None
    keys: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=_MOST_NAMED)] | None = None
    dry_run: bool = False
    expected: Annotated[int | None, Field(ge=0, description="The number that was shown; far more now are refused.")] = (
        None
    )

    @model_validator(mode="after")
    def _keys_have_a_scope(self) -> Self:
        if self.keys is not None and (self.shop is None or self.domain is None):
            raise ValueError("keys are those of one shop and domain: name both")
        return self

    @property
    def wanted(self) -> Wanted:
        """The keys that are meant; raises `Refused` if one can't be read."""
        if self.keys is None or self.domain is None:
            return Wanted(self.shop, self.domain)
        return Wanted(self.shop, self.domain, tuple(key_of(self.domain, key) for key in self.keys))


class UnreplayedShown(BaseModel):
    """A message that can't be replayed, and why."""

    id: str
    why: str


class ReplayDone(BaseModel):
    """Of the chosen messages: how many are on their way again, can't be and stay, and were not tried."""

    chosen: int
    replayed: int
    staying: int
    refused: list[UnreplayedShown]
    left: int
    error: str | None

    @classmethod
    def of(cls, done: Replayed) -> Self:
        """The answer for what came of a replay."""
        refused = [UnreplayedShown(id=each.id, why=each.why) for each in done.refused]
        return cls.model_validate({**vars(done), "refused": refused})


class DropDone(BaseModel):
    """How many messages were chosen, and removed for good."""

    chosen: int
    dropped: int


class ResyncDone(BaseModel):
    """How many keys are missed, in how many messages they fit, and how many the ERP was asked for."""

    keys: int
    messages: int
    requested: int


class RetryDone(BaseModel):
    """How the order stands now."""

    state: Literal["waiting"]


class RetryManyDone(BaseModel):
    """How many orders were chosen, and wait to be sent again."""

    chosen: int
    retried: int


class ScopeShown(BaseModel):
    """A shop and a domain, each possibly `*`."""

    shop: str
    domain: str


class LineShown(BaseModel):
    """One shop and domain of a sheet; `missed` is null if it was not counted."""

    shop: str
    domain: str
    missed: int | None
    left: int


class SheetShown(BaseModel):
    """What a resume, or the end of a pause, has left to be repaired."""

    epoch: int
    at: datetime
    action: Literal["resume", "expire"]
    scopes: list[ScopeShown]
    by: str
    reason: str
    missed: int | None
    left: int
    lines: list[LineShown]

    @classmethod
    def of(cls, sheet: Sheet) -> Self:
        """The sheet as it is shown."""
        said = sheet._asdict()
        said["scopes"] = [{"shop": shop, "domain": domain} for shop, domain in sheet.scopes]
        said["lines"] = [line._asdict() for line in sheet.lines]
        return cls.model_validate(said)
