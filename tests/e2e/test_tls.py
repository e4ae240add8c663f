"""TLS to the broker, the database and the ERP: the right certificate, refused ones, and one that is renewed."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from broker.sync_publisher import SyncPublisher
from schemas.topology import ORDERS_IN
from tests.support.database_queries import DatabaseQueries
from tests.support.event_generator import EventGenerator, EventPublisher
from tests.support.order_events import placed
from tests.support.programs import Programs, running_programs
from tests.support.services.certificates import Certificates
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.services.ports import free_port
from tests.support.services.postgres import Postgres
from tests.support.services.rabbitmq import RabbitMQ
from tests.support.wait import wait_until

REFUSED = {
    "host": ("not valid for '127.0.0.1'", "does not match host name", "name the server in the URL"),
    "expired": ("certificate has expired", "certificate verify failed", "renew"),
    "authority": ("unable to get local issuer", "certificate verify failed", "SSL_CERT_FILE"),
}


class Site(NamedTuple):
    """Three servers that speak TLS, and the settings that lead to them."""

    broker: RabbitMQ
    database: Postgres
    erp: HttpErp
    tls: ssl.SSLContext
    certificates: Certificates
    folder: Path

    def certify(self, kind: str) -> None:
        """Have all three show a certificate of this kind from now on."""
        certificate = self.certificates.issue(kind)
        self.broker.certify(certificate)
        self.database.certify(certificate)
        certificate.configure_cert(self.tls)

    def settings(self) -> dict[str, object]:
        url, _ = self.broker.tls(self.broker.new_vhost())
        return {
            "broker_url": url,
            "database_url": f"{self.database.new_database()}?sslmode=verify-full&sslrootcert={self.folder}/ca.pem",
            "erp_url": self.erp.url,
            "admin_port": free_port(),
            "log_format": "json",
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Servers of their own: others would not be spoken to any more while they show a wrong certificate."""
    folder, certificates = tmp_path_factory.mktemp("tls"), Certificates()
    certificates.authority.cert_pem.write_to_path(folder / "ca.pem")
    broker, database, tls = RabbitMQ(), Postgres(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        broker.open()
        database.open()
        with running_http_erp(tls) as erp:
            site = Site(broker, database, erp, tls, certificates, folder)
            site.certify("right")
            yield site
    finally:
        broker.close()
        database.close()


@pytest.fixture
def programs(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    monkeypatch.setenv("SSL_CERT_FILE", str(site.folder / "ca.pem"))
    with running_programs(tmp_path) as programs:
        yield programs


def findings(programs: Programs, state: str, **settings: object) -> dict[str, Any]:
    """What doctor says in this state, by part."""
    done = programs.run("doctor", "--json", **settings)
    assert "Traceback" not in done.err
    return {f["part"]: f"{f['says']} -> {f['way_out']}" for f in done.json["findings"] if f["state"] == state}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_certificate_that_is_wrong_is_named_with_the_way_out(programs: Programs, site: Site, kind: str) -> None:
    settings = site.settings()
    assert findings(programs, "wrong", **settings) == {}
    site.certify(kind)
    try:
        said, by_libpq, way_out = REFUSED[kind]
        found = findings(programs, "wrong", **settings)
        for part, place, words in (
            ("broker", "amqps://guest@127.0.0.1", said),
            ("database", "127.0.0.1", by_libpq),
            ("ERP", site.erp.url, said),
        ):
            assert (place in found[part], words in found[part]) == (True, True), found[part]
            wanted = "sslrootcert" if (part, kind) == ("database", "authority") else way_out
            assert wanted in found[part].partition(" -> ")[2], found[part]
        paused = programs.run("pause", "--reason", "a test", **settings)
        assert (paused.code, said in paused.err, way_out in paused.err) == (1, True, True), paused.err
        shown = programs.run("status", **settings)
        assert (shown.code, by_libpq in shown.err, "Traceback" in shown.err + paused.err) == (1, True, False)
    finally:
        site.certify("right")


def test_work_goes_on_once_a_wrong_certificate_was_replaced(programs: Programs, site: Site) -> None:
    settings = site.settings()
    program = programs.start("run", **settings)
    program.wait_for("broker connected", session="events")
    ours = str(settings["database_url"])
    queries, generator = DatabaseQueries(ours), EventGenerator("norte", keys=5)
    site.certify("expired")
    site.broker.ctl("close_all_connections", "--global", "renewed")
    with psycopg.connect(site.database.url("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'comporta_test%'")
    refused = program.wait_for("broker away")
    assert "certificate has expired" in str(refused)
    site.certify("right")
    with EventPublisher(str(settings["broker_url"])) as publisher:
        publisher.publish(generator.events_of_all_keys())
    queries.wait_accounted("norte", len(generator.newest))
    SyncPublisher(str(settings["broker_url"]), "test").publish(placed(), exchange=ORDERS_IN, routing_key="norte")
    wait_until(lambda: site.erp.numbers, what="an order to reach the ERP")
    assert "Traceback" not in program.output
