"""Whether messages are taken stands beside the switch's state: header, banner, domains, API, readiness, metrics."""

from __future__ import annotations

import asyncio

import pytest

from comporta.runtime.health import ConsumptionProbe, Intake
from comporta.runtime.health_metrics import HealthMetrics, read_health
from rules.consumption import State
from tests.support.page_client import PageClient
from tests.support.views_harness import rejected_delivery
from tests.support.web_harness import WebHarness

PORTUGUESE = "Ligada, mas parada", "nenhum processo retira mensagens há 1 min", "18 na fila"
ENGLISH = "On, but stopped", "no process has taken messages for 1 min", "18 in the queue"


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("language", "said"), [("pt-BR", PORTUGUESE), ("en", ENGLISH)])
def test_header_and_banner_say_that_nothing_is_taken(sqlite_web: WebHarness, language: str, said: list[str]) -> None:
    sqlite_web.storage.stop_consuming(90, ready=2)
    page = PageClient(sqlite_web, language=language).get_page("/orders")
    header = page.one("div", id="integration")
    assert header["class"].split()[-1] == "is-stopped"
    assert (header["data-state"], header["data-health"], header["data-announcement"]) == ("on", "stopped", said[0])
    banner = page.one("section", id="consumption")
    for text in said:
        assert text in words(header.text)
        assert text in words(banner.text)


def test_each_domain_says_what_waits_and_when_something_last_came(web: WebHarness) -> None:
    web.storage.consume(ready=3, lag=1.5)
    page = PageClient(web).get_page("/")
    cells = {cell["data-label"]: words(cell.text) for cell in page.all("td") if "data-label" in cell.attributes}
    assert (cells["In the queue"], cells["Lag"], cells["Last change"]) == ("6", "1.5 s", "–")
    assert "stopped" not in page.one("section", id="domains").text
    web.storage.stop_consuming(90, ready=4)
    stopped = words(PageClient(web).get_page("/").one("section", id="domains").text)
    assert stopped.count("stopped no process has taken messages for 1 min") == 8


def test_a_page_without_trouble_says_none(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.consume()
    page = PageClient(sqlite_web).get_page("/")
    assert page.one("div", id="integration")["data-health"] == "ok"
    assert not page.all("section", id="consumption")


def test_off_stays_off_in_the_header_and_the_banner_says_that_it_is_stopped_too(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.change("pause", domains=["*"])
    sqlite_web.storage.stop_consuming()
    page = PageClient(sqlite_web).get_page("/")
    assert page.one("div", id="integration")["class"].split()[-1] == "is-off"
    assert words(page.one("section", id="consumption").text).startswith("Stopped: no process has taken messages")


def test_the_api_tells_state_cause_time_and_counts_beside_the_contract(web: WebHarness) -> None:
    web.storage.stop_consuming(ready=2)
    health = web.get("/api/status")["health"]
    assert (health["state"], health["cause"], health["ready"]) == ("stopped", "no_consumer", 18)
    assert health["since"] is not None
    assert health["domains"]["stock"].keys() == {
        "state", "cause", "since", "ready", "consumers", "last_change", "lag"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("domains", "blocks"), [((), False), (("stock", "orders"), True)], ids=["a page alone", "a worker"]
)
def test_a_worker_whose_messages_nobody_takes_is_not_ready_and_a_page_is(
    sqlite_web: WebHarness, domains: tuple[str, ...], blocks: bool
) -> None:
    sqlite_web.storage.stop_consuming()
    probe = ConsumptionProbe(sqlite_web.database.views.health, domains)
    intake = asyncio.run(probe.check())
    assert (intake.state, intake.blocks, intake.since is not None) == ("stopped", blocks, True)


def test_readiness_names_the_state(sqlite_web: WebHarness) -> None:
    sqlite_web.storage.stop_consuming()
    answer = sqlite_web.request("GET", "/readyz")
    assert answer.status_code == 200
    assert answer.json()["consumption"]["state"] == "stopped"


def test_consumption_is_unknown_while_the_database_does_not_answer() -> None:
    def away() -> None:
        raise ConnectionError

    assert asyncio.run(ConsumptionProbe(away, ("stock",)).check()) == Intake("unknown")  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["ok", "stopped"])
def test_the_state_is_a_metric_by_domain(web: WebHarness, state: State) -> None:
    web.storage.consume() if state == "ok" else web.storage.stop_consuming()
    metrics = {metric.name: metric for metric in HealthMetrics(read_health(web.database.views)).collect()}
    samples = {tuple(sample.labels.values()): sample.value for sample in metrics["comporta_consumption"].samples}
    assert {name for (domain, name), value in samples.items() if value == 1 and domain == "stock"} == {state}
    assert len(samples) == 8 * 4
    assert {sample.value for sample in metrics["comporta_ledger_difference"].samples} == {0}


NEWEST = "the shop has the newest version of everything received"
OLD = "The shop has old data for missed keys until the ERP sends them again."


@pytest.mark.parametrize("missed", [0, 2])
@pytest.mark.parametrize("refused", [0, 1, 2])
def test_what_the_shop_has_is_said_of_missed_and_refused_alike(
    sqlite_web: WebHarness, missed: int, refused: int
) -> None:
    sqlite_web.storage.discard(*(f"P{number}" for number in range(missed)))
    sqlite_web.storage.store.commit([rejected_delivery(b"%d" % number) for number in range(refused)])
    client = PageClient(sqlite_web)
    card = words(client.get_page("/").one("section", id="wanting").text)
    said = {0: "", 1: "1 message was refused and is not in the shop.", 2: "2 messages were refused and are"}[refused]
    assert said in card
    assert (OLD in card) == bool(missed)
    assert (NEWEST in card) == (not missed and not refused)
    page = client.get_page("/missed").answer.text
    assert (NEWEST in page) == (not missed and not refused)
    assert ("Nothing is missed." in page) == (not missed and bool(refused))
