"""The servers that the other tests stand on do what those tests count on."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pika
import psycopg
import pytest
from pika.exceptions import ChannelClosedByBroker

from broker.connection import open_connection
from broker.declare import declare
from schemas.topology import EVENTS
from storage.engine import open_engine
from storage.migrate import require_current
from tests.support.services.broker import Broker, open_channel
from tests.support.services.ports import HOST
from tests.support.services.postgres import Database
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until

QUEUE = "comporta.stock"
PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


def test_a_quorum_queue_gives_back_what_was_published(broker_url: str, rabbitmq: Broker) -> None:
    with open_channel(broker_url) as channel:
        channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", QUEUE, b"one", PERSISTENT, mandatory=True)
        wait_until(lambda: rabbitmq.queue_depth(broker_url, QUEUE) == 1, what="one message to be ready")
        _, _, body = channel.basic_get(QUEUE, auto_ack=True)
    assert body == b"one"


def test_every_virtual_host_starts_empty_and_there_is_always_another(rabbitmq: Broker) -> None:
    for _ in range(30):
        url = rabbitmq.new_vhost()
        with pytest.raises(ChannelClosedByBroker, match="NOT_FOUND"):
            rabbitmq.queue_depth(url, QUEUE)
        with open_channel(url) as channel:
            channel.queue_declare(QUEUE, durable=True)


def test_a_killed_broker_comes_back_with_its_durable_messages(broker_url: str, rabbitmq: Broker) -> None:
    with open_connection(broker_url, name="test") as connection:
        declare(connection)
    with open_channel(broker_url) as channel:
        channel.basic_publish(EVENTS, "main.stock", b"kept", PERSISTENT, mandatory=True)
    rabbitmq.kill()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, rabbitmq.port))
    rabbitmq.start()
    wait_until(lambda: rabbitmq.queue_depth(broker_url, QUEUE) == 1, what="the message to be back")


def test_a_fresh_database_has_the_newest_tables(any_database_url: str) -> None:
    engine = open_engine(any_database_url)
    require_current(engine)
    engine.dispose()


def test_a_database_that_ended_at_once_comes_back_with_what_was_committed(
    database_url: str, postgres: Database
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO shops VALUES ('main', now())")
    postgres.stop_immediate()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database_url, connect_timeout=5)
    postgres.start()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT shop FROM shops").fetchall() == [("main",)]


def test_databases_do_not_see_each_other(postgres: Database) -> None:
    first, second = postgres.new_database(), postgres.new_database()
    with psycopg.connect(first) as connection:
        connection.execute("INSERT INTO shops VALUES ('main', now())")
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT count(*) FROM shops").fetchone() == (0,)
    postgres.drop_database(first)
    postgres.drop_database(second)


def test_a_proxy_leads_to_the_database_of_a_url(database_url: str, postgres: Database) -> None:
    with Proxy(postgres.port) as proxy, psycopg.connect(proxy.through(database_url)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert proxy.connections == 1


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(100):
            self.server.heard += data
            self.request.sendall(data)


class _EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    heard = b""


@pytest.fixture
def echo() -> Iterator[_EchoServer]:
    with _EchoServer((HOST, 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(echo: _EchoServer) -> Iterator[Proxy]:
    with Proxy(echo.server_address[1]) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.port), timeout=5) as client:
        assert _said(client, b"hello") == b"hello"
        yield client


def _said(client: socket.socket, words: bytes) -> bytes:
    client.sendall(words)
    return client.recv(100)


def test_a_cut_resets_the_connection_and_takes_a_new_one(proxy: Proxy, client: socket.socket) -> None:
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        _said(client, b"again")
    assert proxy.connections == 0
    with socket.create_connection((HOST, proxy.port), timeout=5) as another:
        assert _said(another, b"again") == b"again"


def test_a_refusing_proxy_resets_new_connections_until_it_resumes(proxy: Proxy, client: socket.socket) -> None:
    proxy.refuse()
    with pytest.raises(OSError), socket.create_connection((HOST, proxy.port), timeout=5) as another:  # noqa: PT011
        _said(another, b"again")
    proxy.resume()
    with socket.create_connection((HOST, proxy.port), timeout=5) as another:
        assert _said(another, b"again") == b"again"


def test_a_frozen_proxy_holds_everything_back_until_it_resumes(
    proxy: Proxy, client: socket.socket, echo: _EchoServer
) -> None:
    proxy.freeze()
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        _said(client, b" held")
    assert echo.heard == b"hello"
    proxy.resume()
    client.settimeout(5)
    assert client.recv(100) == b" held"


def test_dropped_answers_are_lost_while_the_words_arrive(
    proxy: Proxy, client: socket.socket, echo: _EchoServer
) -> None:
    proxy.drop_server_to_client()
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        _said(client, b" heard")
    wait_until(lambda: echo.heard == b"hello heard", what="the server to have heard it")
    proxy.resume()
    client.settimeout(5)
    assert _said(client, b" there?") == b" there?"
