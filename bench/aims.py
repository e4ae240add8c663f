"""Aims for the figures, and the verdict on each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.results import Figures

__all__ = ["AIMS", "Aim", "Results", "Verdict", "verdicts"]

Results = dict[str, list[Figures]]


@dataclass(frozen=True, slots=True)
class Aim:
    """Aim: the values of the rounds, and a bound for their median."""

    label: str
    values: Callable[[Results], list[float]]
    at_least: float | None = None
    at_most: float | None = None

    def met_by(self, value: float) -> bool:
        """Return True if a value keeps the bound."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    @property
    def bound(self) -> str:
        """Bound in words."""
        return f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Aim with the values of the rounds."""

    aim: Aim
    values: Sequence[float]

    @property
    def value(self) -> float:
        """Median of the rounds."""
        return median(self.values)

    @property
    def met(self) -> bool:
        """The median keeps the bound."""
        return self.aim.met_by(self.value)


def verdicts(results: Results) -> list[Verdict]:
    """Return a verdict on every aim whose rows were measured."""
    measured = ((aim, aim.values(results)) for aim in AIMS)
    return [Verdict(aim, values) for aim, values in measured if values]


def _ratio(ours: str, theirs: str) -> Callable[[Results], list[float]]:
    """Return the ratios of two rows' speeds, round by round: a disturbance of a round hits both rows."""

    def values(results: Results) -> list[float]:
        pairs = zip(results.get(ours, ()), results.get(theirs, ()), strict=False)
        return [our["events_per_second"] / their["events_per_second"] for our, their in pairs]

    return values


def _figure(row: str, name: str) -> Callable[[Results], list[float]]:
    return lambda results: [figures[name] for figures in results.get(row, ())]


_PEERS = {
    "faststream": "FastStream as documented",
    "faststream-tuned": "FastStream tuned",
    "dramatiq": "dramatiq as documented",
    "celery": "Celery as documented",
}

AIMS: tuple[Aim, ...] = (
    Aim("two workers / two of hand-written Go", _ratio("worker-2", "go-2"), at_least=0.8),
    Aim("the same on keys drawn by chance", _ratio("worker-2-uniform", "go-2-uniform"), at_least=0.8),
    Aim("one worker / one bare loop", _ratio("worker-1", "bare-1"), at_least=2.5),
    *(Aim(f"one worker / {label}", _ratio("worker-1", peer), at_least=10) for peer, label in _PEERS.items()),
    Aim("discard / apply", _ratio("discard-1", "worker-1"), at_least=1.2),
    Aim("a full load / the same events without it", _ratio("full-load", "full-load-plain"), at_least=0.8),
    Aim("live events beside a waiting load / without one", _ratio("live-beside-load", "live"), at_least=0.9),
    Aim("first page of a million missed keys, p99, ms", _figure("missed-page", "p99_ms"), at_most=50),
    Aim("requests for a million missed keys, s", _figure("missed-requests", "seconds"), at_most=60),
    Aim("bytes of a missed key", _figure("missed-page", "bytes_per_key"), at_most=300),
    Aim("peak RSS of a worker process, MB", _figure("worker-1", "peak_rss_mb"), at_most=150),
    Aim("peak RSS of either of two, MB", _figure("worker-2", "peak_rss_mb"), at_most=150),
    Aim("publish to commit, p99, ms", _figure("latency", "p99_ms"), at_most=20),
    Aim("pause to reply, p99, ms", _figure("pause", "p99_ms"), at_most=50),
    Aim("pause to reply while a million versions are forgotten, p99, ms", _figure("forgotten", "p99_ms"), at_most=500),
    Aim("pause to reply beside a hung worker, p99, ms", _figure("pause-muted", "p99_ms"), at_most=5_000),
    Aim("a month of the ledger of ten thousand shops, GB", _figure("roll-up", "gb_of_all_shops"), at_most=20),
    Aim("an answer beside silent connections, p99, ms", _figure("siege-silent", "p99_ms"), at_most=1_000),
    Aim("an answer beside one-byte chunks, p99, ms", _figure("siege-chunks", "p99_ms"), at_most=1_000),
    Aim("1 million keys / 10 thousand keys", _ratio("keys-1000000", "keys-10000"), at_least=0.8),
    Aim("1,000 shops / 1 shop", _ratio("shops-1000", "shops-1"), at_least=0.8),
    Aim("our publisher / a bare loop", _ratio("publish", "publish-bare"), at_least=0.85),
    Aim("our publisher / pika's BlockingConnection", _ratio("publish", "publish-blocking"), at_least=15),
    Aim("comporta publish, events/s", _figure("publish-command", "events_per_second"), at_least=12_000),
    Aim("orders internalized over AMQP, orders/s", _figure("orders-amqp", "events_per_second"), at_least=1_500),
    Aim("orders internalized over HTTP, orders/s", _figure("orders-http", "events_per_second"), at_least=400),
    Aim("order placed to ERP, p99, ms", _figure("orders-latency", "p99_ms"), at_most=100),
    Aim("resume to first order at the ERP, p99, ms", _figure("orders-resume", "p99_ms"), at_most=100),
    Aim("/api/status beside two busy workers, p99, ms", _figure("page-status", "p99_ms"), at_most=20),
    Aim("the page's first load to interactive, p50, ms", _figure("page-load", "p50_ms"), at_most=300),
    Aim("search in a thousand shops, p99, ms", _figure("search", "p99_ms"), at_most=300),
    Aim("comporta status in a thousand shops, p50, ms", _figure("status-command", "p50_ms"), at_most=500),
    Aim("comporta --help, p50, ms", _figure("help-command", "p50_ms"), at_most=300),
    Aim("200 open pages at rest, % of a core", _figure("page-rest", "cpu_percent"), at_most=10),
)
