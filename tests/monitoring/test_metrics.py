"""The metrics of the contract, as real processes expose them."""

from __future__ import annotations

import httpx
import pytest

from tests.support.event_generator import Event, TimedEvent
from tests.support.metrics_client import Scrape, scrape, two_free_ports
from tests.support.monitored_deployment import MonitoredDeployment, start_program
from tests.support.programs import Programs
from tests.support.services.ports import HOST, free_port
from tests.support.services.postgres import Database
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until

# Contract, section 9.
WORK = {
    "comporta_events_total": {"shop", "domain", "outcome"},
    "comporta_batch_seconds": {"domain"},
    "comporta_event_lag_seconds": {"domain"},
}
# Ours: wrong tokens, by the way they came. The process counts them itself, without the database.
LOGINS = {"comporta_failed_logins_total": {"way"}}
STATE = {
    "comporta_switch_off": {"shop", "domain"},
    "comporta_switch_off_seconds": {"shop", "domain"},
    "comporta_missed": {"shop", "domain"},
    "comporta_quarantined": {"domain"},
    "comporta_orders": {"shop", "state"},
    "comporta_oldest_waiting_order_seconds": {"shop"},
    "comporta_worker_last_seen_seconds": {"worker"},
    # Ours: how long a shop has not heard of its orders.
    "comporta_oldest_order_notice_seconds": {"shop"},
    # Ours: what the ERP answers while it takes no order.
    "comporta_erp_failing_seconds": {"shop", "answer"},
    # Ours: what is left of the way back after a pause, and what is not published yet.
    "comporta_repairs_open": set(),
    "comporta_repair_stalled_seconds": set(),
    "comporta_loads_held": {"shop", "domain"},
    "comporta_relay_age_seconds": {"kind"},
    # Ours: what people outside were told, and what could not be delivered.
    "comporta_reminders": {"channel", "state"},
    # Ours: whether messages are taken, the ledger balances, and what becomes of each feed's messages.
    "comporta_consumption": {"domain", "state"},
    "comporta_ledger_difference": {"domain"},
    "comporta_feed_deliveries": {"shop", "domain", "outcome"},
    "comporta_feed_last_event_timestamp_seconds": {"shop", "domain"},
    "comporta_feed_behind_seconds": {"shop", "domain"},
    "comporta_feed_silent": {"shop", "domain"},
    # Ours: that the others are not there is seen by this one.
    "comporta_database_up": set(),
}
# Ours: what every process exposes of itself and of the broker.
EVERYWHERE = {
    "comporta_build_info": {"version", "python"},
    "comporta_broker_up": set(),
    "comporta_queue_ready": {"queue"},
    "comporta_queue_consumers": {"queue"},
}


def families(names: dict[str, set[str]]) -> dict[str, set[str]]:
    """The metrics that samples belong to, with the labels that are ours."""
    ours = {name for name in names if name.startswith("comporta_")}
    whole = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in ours}
    return {name: set().union(*(names[n] for n in names if n.startswith(name))) - {"le"} for name in whole}


def with_value(seen: Scrape, name: str, value: float, **labels: str) -> Scrape | None:
    """The scrape, if a sample has this value."""
    return seen if seen.value(name, **labels) == value else None


def test_every_metric_of_the_contract_is_exposed_with_its_labels_and_nothing_else(
    deployment: MonitoredDeployment,
) -> None:
    deployment.publish(TimedEvent("stock", "every", "a", 1))
    wait_until(lambda: deployment.worker.value("comporta_events_total", shop="every"), what="the event to be counted")
    wait_until(lambda: deployment.admin.value("comporta_feed_behind_seconds", shop="every"), what="the feed to be seen")
    read = wait_until(lambda: with_value(deployment.worker, "comporta_broker_up", 1), what="the broker to be reached")
    worker, admin = read, deployment.admin
    assert families(worker.names) == WORK | EVERYWHERE
    assert families(admin.names) == STATE | LOGINS | EVERYWHERE
    for scraped in (worker, admin):
        assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= scraped.names.keys()
    assert worker.kinds["comporta_events"] == "counter"
    assert {worker.kinds[f"comporta_{name}_seconds"] for name in ("batch", "event_lag")} == {"histogram"}
    assert admin.kinds.pop("comporta_failed_logins") == "counter"
    assert {kind for name, kind in admin.kinds.items() if name.startswith("comporta_")} == {"gauge"}


def test_a_worker_counts_as_the_ledger_does(deployment: MonitoredDeployment) -> None:
    deployment.publish(*(Event("stock", "counted", "a", version) for version in (5, 4, 3)))
    deployment.publish(*(Event("products", "counted", f"p{version}", version) for version in range(1, 201)))
    deployment.queries.wait_accounted("counted", 203)
    wait_until(
        lambda: deployment.worker.value("comporta_events_total", shop="counted") == 203, what="all to be counted"
    )
    worker = deployment.worker
    for domain in ("stock", "products"):
        of = {"shop": "counted", "domain": domain}
        for outcome, count in deployment.queries.outcomes("counted", domain).items():
            assert worker.value("comporta_events_total", **of, outcome=outcome) == count
    batches = worker.value("comporta_batch_seconds_count", domain="products")
    assert batches is not None
    assert 1 <= batches < 200


def test_the_page_shows_what_is_off_and_missed_until_it_is_made_good(deployment: MonitoredDeployment) -> None:
    main = {"shop": "paused", "domain": "stock"}
    deployment.publish(Event("stock", "paused", "a", 1))
    wait_until(lambda: deployment.admin.value("comporta_switch_off", **main) == 0, what="the shop to be known")
    deployment.command("pause", "--reason", "a test", "--shop", "paused", "--new-shop", "--domain", "stock")
    off = wait_until(lambda: with_value(deployment.admin, "comporta_switch_off", 1, **main), what="it to be off")
    assert off.value("comporta_missed", **main) == 0
    assert off.value("comporta_switch_off", shop="paused", domain="prices") == 0
    deployment.publish(Event("stock", "paused", "a", 2), Event("stock", "paused", "b", 1))
    wait_until(lambda: deployment.admin.value("comporta_missed", **main) == 2, what="two missed keys")
    wait_until(
        lambda: (deployment.admin.value("comporta_switch_off_seconds", **main) or 0) > 1, what="a second to pass"
    )
    deployment.command("resume", "--reason", "a test", "--shop", "paused", "--domain", "stock")
    on = wait_until(lambda: with_value(deployment.admin, "comporta_switch_off", 0, **main), what="it to be on")
    assert on.value("comporta_switch_off_seconds", **main) == 0
    assert on.value("comporta_missed", **main) == 2
    deployment.publish(Event("stock", "paused", "a", 2), Event("stock", "paused", "b", 1))
    wait_until(lambda: deployment.admin.value("comporta_missed", **main) == 0, what="nothing to be missed")


def test_the_page_sees_the_worker_beat(deployment: MonitoredDeployment) -> None:
    [worker] = deployment.admin.labels("comporta_worker_last_seen_seconds")
    seen = deployment.admin.value("comporta_worker_last_seen_seconds", **worker)
    assert seen is not None
    assert seen < 30


def test_rubbish_under_another_name_makes_no_shop(deployment: MonitoredDeployment) -> None:
    deployment.publish(Event("stock", "NOT-A-SHOP", "a", 1))
    wait_until(lambda: deployment.worker.value("comporta_events_total", outcome="quarantined"), what="the refusal")
    assert deployment.worker.labels("comporta_events_total")[-1]["shop"] != "NOT-A-SHOP"
    assert deployment.worker.value("comporta_events_total", shop="?", outcome="quarantined") == 1
    wait_until(lambda: deployment.admin.value("comporta_quarantined", domain="stock") == 1, what="it in the quarantine")
    assert "NOT-A-SHOP" not in {labels["shop"] for labels in deployment.admin.labels("comporta_switch_off")}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain"),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text"),
        ("text/plain;version=x.y", "text/plain"),
        ("application/openmetrics-text;version=abc", "text/plain"),
    ],
)
def test_the_form_is_the_one_that_is_asked_for(deployment: MonitoredDeployment, accept: str, kind: str) -> None:
    answer = httpx.get(f"http://{HOST}:{deployment.worker_port}/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith(kind)
    assert answer.text.endswith("# EOF\n") is (kind != "text/plain")


def test_each_of_several_processes_has_a_port_of_its_own(programs: Programs, deployment: MonitoredDeployment) -> None:
    first = two_free_ports()
    workers = programs.worker(processes=2, **deployment.settings, metrics_port=first)
    workers.wait_for("metrics", times=2)
    assert {line["port"] for line in workers.logged("metrics")} == {first, first + 1}
    for port in (first, first + 1):
        assert families(scrape(port).names).keys() <= WORK.keys() | EVERYWHERE.keys()
    assert workers.stop() == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_port_that_is_taken_is_named_at_start(
    programs: Programs, deployment: MonitoredDeployment, processes: str
) -> None:
    taken = {**deployment.settings, "metrics_port": deployment.worker_port}
    done = programs.run("worker", "--processes", processes, **taken)
    assert done.code == 2
    assert f"COMPORTA_METRICS_PORT: 127.0.0.1:{deployment.worker_port} can't be listened on" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("how", ["refuse", "freeze"])
def test_metrics_are_there_while_the_database_is_away(
    programs: Programs, database_url: str, broker_url: str, postgres: Database, how: str
) -> None:
    port = free_port()
    with Proxy(postgres.port) as proxy:
        url = proxy.through(database_url)
        program = start_program(programs, "run", broker_url=broker_url, database_url=url, admin_port=port)
        program.wait_for("broker connected", session="events")
        assert scrape(port).value("comporta_database_up") == 1
        getattr(proxy, how)()
        wait_until(lambda: scrape(port).value("comporta_database_up") == 0, what="the gauge to fall")
        away = scrape(port)
        assert families(away.names).keys() & STATE.keys() == {"comporta_database_up"}
        proxy.resume()
        wait_until(lambda: scrape(port).value("comporta_database_up") == 1, what="the database")
        assert scrape(port).value("comporta_switch_off", domain="stock") == 0
        assert program.stop() == 0
