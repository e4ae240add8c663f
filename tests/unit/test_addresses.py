"""Addresses of servers: read in one way only, and shown without any part of a password, whatever stands in the URL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from broker import address as broker_address
from broker.address import BrokerUrlError, read_url
from broker.connection import BrokerLost, open_connection
from comporta.cli.config import config_app
from comporta.runtime.settings import PREFIX, SettingsError, load_settings, setting_sources
from rules.addresses import AddressError, Host, read_address
from storage import engine

# What ends a password early for one reader of URLs or another, between two parts that would then be shown.
BREAKS = [
    "@",
    "/",
    "#",
    "?",
    ":",
    ";",
    ",",
    "[",
    "]",
    "%",
    "&",
    "=",
    " ",
    "\\",
    "://",
    "@@",
    ";amqp://",
    "%40",
    "\n",
    "é",
]
PASSWORDS = st.lists(st.sampled_from([*BREAKS, "hunter1", "hunter2", "70607"]), min_size=1, max_size=7).map("".join)
PLACES = ["host.example", "h1:1,h2:2", "[::1]:1", "", "h:1/v?password=hunter3", "h:1/v@hunter4"]
NAMES = {"broker_url": ("amqp", "amqps"), "database_url": ("postgresql", "sqlite"), "erp_url": ("http", "https")}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for kind in ("BROKER", "DATABASE"):
        for part in ("URL", "HOST", "USER", "PASSWORD", "PASSWORD_FILE"):
            monkeypatch.delenv(f"{PREFIX}{kind}_{part}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_an_address_is_taken_apart() -> None:
    address = read_address("amqp://ana:p%40ss@n1:5672,n2,[::1]:5673/v%2Fh")
    assert address.hosts == (Host("n1", 5672), Host("n2"), Host("::1", 5673))
    assert (address.user, address.password, address.path) == ("ana", "p@ss", "/v%2Fh")
    assert address.masked == "amqp://ana:***@n1:5672,n2,[::1]:5673/v%2Fh"
    assert read_address(address.url) == address
    assert "p@ss" not in repr(address)


def test_a_broker_address_has_the_same_parts_for_every_client() -> None:
    address = read_url("amqp://ana:p%2Fss@n1,[::1]:5673/shops%2Fnorth")
    assert address.nodes == (Host("n1", 5672), Host("::1", 5673))
    assert (address.user, address.password, address.vhost, address.tls) == ("ana", "p/ss", "shops/north", False)
    assert read_url("amqps://host").nodes == (Host("host", 5671),)
    assert (read_url("amqp://host/").vhost, read_url("amqp://host").user) == ("/", "guest")
    assert (read_url("amqp://host/v?heartbeat=1").vhost, read_url("amqp://host/v?heartbeat=1").options) == ("v", True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://u:p@ss@host/v", "second @: percent-encode"),
        ("amqp://u:p@n1;amqp://u:p@n2", "separated by commas"),
        ("amqp://n1;n2/v", "separated by commas"),
        ("amqp://n1:1,n2:x/v", "a port is not a number between 1 and 65535"),
        ("amqp://n1,,n2/v", "a host is unreadable"),
        ("amqp://::1:5672/v", "an IPv6 address is written in brackets"),
        ("amqp://host/v@x", "an @ after the host"),
        ("amqp://u:p@host/v#x", "a #"),
        ("amqp:///v", "names no host"),
    ],
)
def test_a_broker_url_that_can_be_read_in_two_ways_is_refused_by_name(url: str, said: str) -> None:
    with pytest.raises(BrokerUrlError, match=said):
        broker_address.check_url(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:p@ss@host/x", "second @: percent-encode"),
        ("postgresql://h1/x?host=h2", "before and after"),
        ("postgresql://h1:1,h2:2/x?target_session_attrs=any", "read-write or primary"),
        ("postgresql://h/x?hunter=1", "libpq"),
        ("postgresql:///x?host=h1,h2,h3&port=1,2", "libpq"),
        ("sqlite://u:hunter@host/x", "SQLite needs a file"),
    ],
)
def test_a_database_url_that_can_be_read_in_two_ways_is_refused_by_name(url: str, said: str) -> None:
    with pytest.raises(engine.DatabaseUrlError, match=said) as refused:
        engine.read_url(url)
    assert "hunter" not in str(refused.value)


def test_of_several_database_hosts_the_one_that_can_be_written_to_is_asked_for() -> None:
    url = engine.read_url("postgresql://ana:a/b@h1:5432,[::1]:5433/shop")
    assert (url.query["host"], url.query["port"]) == ("h1,::1", "5432,5433")
    assert (url.query["target_session_attrs"], url.password, url.database) == ("read-write", "a/b", "shop")
    assert (
        engine.masked("postgresql://ana:a/b@h1:5432,[::1]:5433/shop")
        == "postgresql+psycopg://ana:***@h1:5432,[::1]:5433/shop"
    )
    for options in ("host=h1:1&host=h2:2", "host=h1,h2&port=1,2"):
        assert engine.read_url(f"postgresql:///shop?{options}").query["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in engine.read_url("postgresql://h1/shop").query


@given(PASSWORDS, st.sampled_from(PLACES), st.sampled_from(sorted(NAMES)), st.booleans(), st.booleans())
@example("hunter1@hunter2", "host/x", "database_url", True, True)
@example("hunter1/hunter2", "host/x", "erp_url", True, True)
@example("70607/hunter2", "host/x", "broker_url", True, True)
@example("70607#hunter2", "host/x", "broker_url", True, True)
@example("70607?hunter2", "host/x", "database_url", True, True)
@example("hunter1", "n1:1;amqp://u:hunter2@n2", "broker_url", True, True)
def test_no_part_of_a_password_is_ever_shown(password: str, place: str, name: str, plain: bool, login: bool) -> None:
    scheme = NAMES[name][0 if plain else 1]
    url = f"{scheme}://{'ana' if login else ''}:{password}@{place}"
    shown = [broker_address.masked(url), engine.masked(url), repr(try_read(url))]
    try:
        settings = load_settings(**{name: url})
        shown += [repr(settings), str(settings), str(setting_sources(settings))]
    except SettingsError as error:
        shown.append(str(error))
    assert "hunter" not in "\n".join(shown)
    assert "70607" not in "\n".join(shown)


@pytest.mark.parametrize("password", ["hunter1@hunter2", "70607/hunter2", "70607#hunter2", "hunter1", "70607?hunter"])
@pytest.mark.parametrize("name", ["broker_url", "database_url", "erp_url"])
@pytest.mark.parametrize("command", [["show"], ["show", "--json"], ["validate"], ["validate", "--json"]])
def test_no_command_shows_a_part_of_a_password(
    monkeypatch: pytest.MonkeyPatch, password: str, name: str, command: list[str]
) -> None:
    scheme = NAMES[name][0]
    monkeypatch.setenv(PREFIX + name.upper(), f"{scheme}://ana:{password}@host.example/x")
    result = CliRunner().invoke(config_app, command)
    said = result.output + str(result.exception)
    assert (PREFIX + name.upper() in said) or "the settings are valid" in said or '"ok"' in said
    assert "hunter" not in said
    assert "70607" not in said


def test_of_nodes_that_cannot_be_reached_each_is_named_and_the_password_is_not() -> None:
    with pytest.raises(BrokerLost) as lost:
        open_connection("amqp://ana:hunter@127.0.0.1:1,[::1]:1/v", name="test")
    assert "127.0.0.1:1: ConnectionRefusedError" in str(lost.value)
    assert "[::1]:1: " in str(lost.value)
    assert "hunter" not in str(lost.value)


@pytest.mark.parametrize("server", ["BROKER", "DATABASE"])
def test_hosts_and_login_may_be_given_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str) -> None:
    (tmp_path / "password").write_text("p@ss:/?#ção\n")
    monkeypatch.setenv("COMPORTA_BROKER_URL", "amqp:///v")
    monkeypatch.setenv("COMPORTA_DATABASE_URL", "postgresql:///x")
    monkeypatch.setenv("COMPORTA_BROKER_HOST", "n0")
    monkeypatch.setenv(f"COMPORTA_{server}_HOST", "n1:1,[::1]:2")
    monkeypatch.setenv(f"COMPORTA_{server}_USER", "ana@shop")
    monkeypatch.setenv(f"COMPORTA_{server}_PASSWORD", "")
    monkeypatch.setenv(f"COMPORTA_{server}_PASSWORD_FILE", "password")
    settings = load_settings()
    url = settings.broker_url if server == "BROKER" else settings.database_url
    address = read_address(url)
    assert (address.user, address.password) == ("ana@shop", "p@ss:/?#ção")
    assert address.hosts == (Host("n1", 1), Host("::1", 2))
    assert "p@ss" not in repr(settings) + str(setting_sources(settings))


@pytest.mark.parametrize("server", ["BROKER", "DATABASE"])
def test_hosts_user_and_password_may_each_stand_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str
) -> None:
    monkeypatch.setenv("COMPORTA_BROKER_URL", "amqp:///v")
    monkeypatch.setenv("COMPORTA_DATABASE_URL", "postgresql:///x")
    monkeypatch.setenv("COMPORTA_BROKER_HOST", "n0")
    monkeypatch.setenv(f"COMPORTA_{server}_HOST", "")
    for part, text in {"HOST": "n1:1,[::1]:2\n", "USER": "ana@shop\r\n", "PASSWORD": "p@ss:/?#"}.items():
        (tmp_path / part).write_bytes(text.encode())
        monkeypatch.setenv(f"COMPORTA_{server}_{part}_FILE", part)
    settings = load_settings()
    address = read_address(settings.broker_url if server == "BROKER" else settings.database_url)
    assert (address.user, address.password) == ("ana@shop", "p@ss:/?#")
    assert address.hosts == (Host("n1", 1), Host("::1", 2))
    assert "p@ss" not in repr(settings) + str(setting_sources(settings))


@pytest.mark.parametrize(
    ("given_apart", "name", "said"),
    [
        ({"BROKER_HOST": "n1"}, "BROKER_URL", "memory:// has no host and no login, but COMPORTA_BROKER_HOST is set"),
        ({"DATABASE_PASSWORD": "hunter"}, "DATABASE_URL", "SQLite has no host and no login"),
        ({"BROKER_URL": "amqp://n1", "BROKER_HOST": "n2"}, "BROKER_URL", "it names a host, and so does"),
        ({"BROKER_URL": "amqp://u@n1", "BROKER_USER": "v"}, "BROKER_URL", "it names a user, and so does"),
        ({"BROKER_URL": "amqp://u:hunter@n1", "BROKER_PASSWORD": "x"}, "BROKER_URL", "it names a password"),
        ({"BROKER_URL": "amqp://n1", "BROKER_PASSWORD": "hunter"}, "BROKER_URL", "set COMPORTA_BROKER_USER"),
        ({"BROKER_HOST": "u:hunter@n1"}, "BROKER_HOST", "host:port alone"),
        ({"BROKER_HOST": "n1:hunter"}, "BROKER_HOST", "a port is not a number"),
        ({"BROKER_URL": "amqp://u:a@hunter@n1/v"}, "BROKER_URL", "COMPORTA_BROKER_PASSWORD_FILE names"),
        ({"BROKER_PASSWORD_FILE": "nowhere"}, "BROKER_PASSWORD_FILE", "can't be read: No such file"),
        ({"BROKER_PASSWORD_FILE": "two"}, "BROKER_PASSWORD_FILE", "the value alone, on one line"),
        ({"BROKER_PASSWORD_FILE": "empty"}, "BROKER_PASSWORD_FILE", "the value alone, on one line"),
        ({"BROKER_PASSWORD_FILE": "one", "BROKER_PASSWORD": "hunter"}, "BROKER_PASSWORD_FILE", "keep one of the two"),
        ({"BROKER_USER_FILE": "one", "BROKER_USER": "u"}, "BROKER_USER_FILE", "COMPORTA_BROKER_USER is set as well"),
        ({"BROKER_URL": "amqp://n1", "BROKER_HOST_FILE": "n2"}, "BROKER_URL", "so does COMPORTA_BROKER_HOST_FILE"),
        ({"BROKER_URL": "amqp://u@n1", "BROKER_USER_FILE": "one"}, "BROKER_URL", "so does COMPORTA_BROKER_USER_FILE"),
        ({"BROKER_HOST_FILE": "login"}, "BROKER_HOST_FILE", "the file login: must be host:port alone"),
        ({"DATABASE_HOST_FILE": "two"}, "DATABASE_HOST_FILE", "the file two must hold the value alone, on one line"),
        ({"DATABASE_USER_FILE": "one"}, "DATABASE_URL", "SQLite has no host and no login, but COMPORTA_DATABASE_USER_"),
    ],
)
def test_what_is_given_twice_or_in_vain_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given_apart: dict[str, str], name: str, said: str
) -> None:
    for file, text in {
        "one": "hunter",
        "two": "hunter\nhunter",
        "empty": "\n",
        "n2": "n2",
        "login": "u:hunter@n1",
    }.items():
        (tmp_path / file).write_text(text)
    for setting, value in given_apart.items():
        monkeypatch.setenv(PREFIX + setting, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert any(line.strip().startswith(f"{PREFIX}{name}: ") and said in line for line in str(error.value).splitlines())
    assert "hunter" not in str(error.value)


def test_the_source_of_each_part_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPORTA_BROKER_URL", "amqp://n1/v")
    monkeypatch.setenv("COMPORTA_BROKER_USER", "ana")
    monkeypatch.setenv("COMPORTA_BROKER_PASSWORD", "hunter")
    shown = {row["name"]: row["value"] for row in json.loads(CliRunner().invoke(config_app, ["show", "--json"]).output)}
    assert shown["COMPORTA_BROKER_URL"] == "amqp://ana:***@n1/v"
    assert shown["COMPORTA_BROKER_PASSWORD"] == "(hidden)"


def try_read(url: str) -> object:
    """What reading gives: the address, or the error."""
    try:
        return read_address(url)
    except AddressError as error:
        return error
