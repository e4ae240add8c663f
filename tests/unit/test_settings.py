"""Settings: every fault is named at once, with the way out, and no password is repeated."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from comporta.runtime.erp_access import erp_access
from comporta.runtime.settings import PREFIX, SettingsError, load_settings, setting_sources


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("BROKER_URL", "DATABASE_URL", "BATCH_SIZE", "BATCH_MS", "PREFETCH", "ADMIN_PORT", "LOG_LEVEL"):
        monkeypatch.delenv(PREFIX + name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_default_is_embedded() -> None:
    settings = load_settings()
    assert settings.embedded
    assert (settings.batch_size, settings.prefetch_count, settings.admin_url) == (500, 1000, "http://127.0.0.1:8080")


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("COMPORTA_BATCH_SIZE=10\nCOMPORTA_BATCH_MS=30\nOTHER=1\n")
    monkeypatch.setenv("COMPORTA_BATCH_MS", "40")
    settings = load_settings()
    assert (settings.batch_size, settings.batch_ms, settings.prefetch_count) == (10, 40, 20)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BROKER_URL", "http://x:hunter2@y", "not a broker URL"),
        ("BROKER_URL", "", "not a broker URL"),
        ("BROKER_URL", "amqp://u:hunter2@host:port/v", "port"),
        ("DATABASE_URL", "mysql://u:hunter2@host/x", "sqlite:"),
        ("DATABASE_URL", "postgresql://u:hunter2@host:port/x", "not a database URL"),
        ("BATCH_SIZE", "0", "greater than or equal to 1"),
        ("BATCH_SIZE", "many", "integer"),
        ("BATCH_MS", "-1", "greater than or equal to 0"),
        ("PREFETCH", "999", "at least twice BATCH_SIZE"),
        ("ADMIN_PORT", "65536", "65535"),
        ("LOG_LEVEL", "loud", "'DEBUG'"),
        ("PUBLIC_URL", "shop.example/comporta", "https://shop.example/comporta"),
        ("PUBLIC_URL", "https://ana:hunter2@shop.example", "https://shop.example/comporta"),
        ("PUBLIC_URL", "https://shop.example/?x=1", "https://shop.example/comporta"),
        ("PUBLIC_URL", "https://shop.example:99999", "Port out of range"),
        ("TOKEN", "hunter2 hunter2", "comporta operator add"),
        ("TOKEN", "hunter2é", "comporta operator add"),
        ("ERP_TOKEN", "Bearer hunter2", "without `Bearer`"),
        ("ERP_SIGNING_SECRET", "hunter2", "openssl rand -base64 32"),
        ("ERP_SIGNING_SECRET", "whsec_" + base64.b64encode(b"hunter2").decode(), "24 to 64"),
        ("ERP_SIGNING_SECRET", " ", "24 to 64"),
        ("NOTIFY_URL", "ftp://ana:hunter2@host/", "must be an http or https address"),
        ("NOTIFY_SECRET", "hunter2", "openssl rand -base64 32"),
        ("NOTIFY_URL_FILE", "nowhere", "can't be read: No such file"),
        ("SMTP_URL", "smtp://ana:hunter2@host", "from must be one address"),
        ("NOTIFY_AFTER", "0", "greater than 0"),
        ("ERP_TIMEOUT", "0", "greater than 0"),
        ("ERP_TIMEOUT", "46", "less than or equal to 45"),
        ("ERP_CONNECT_TIMEOUT", "inf", "less than or equal to 45"),
        ("ORDER_ATTEMPTS", "0", "greater than or equal to 1"),
        ("SHOPS", "nowhere", "open, table or a file with a shop on each line; it can't be read: No such file"),
        ("MAX_SHOPS", "0", "greater than or equal to 1"),
        ("ERP_HEADERS_FILE", "nowhere", "can't be read: No such file"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert f"{PREFIX}{name}: " in str(error.value)
    assert said in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("TOKEN", "comporta_hunter2"),
        ("ERP_TOKEN", "hunter2"),
        ("NOTIFY_URL", "https://host/hunter2"),
        ("SMTP_URL", "smtp://ana:hunter2@host?from=a@b.c&to=a@b.c"),
        ("ERP_SIGNING_SECRET", "whsec_" + base64.b64encode(b"hunter2 hunter2 hunter2 hunter2").decode()),
    ],
)
def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch, name: str, secret: str) -> None:
    monkeypatch.setenv(PREFIX + name, secret)
    settings = load_settings()
    assert secret not in repr(settings) + str(setting_sources(settings))
    assert "hunter2" not in repr(erp_access(settings))


def test_headers_for_the_erp_come_from_a_file_and_the_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("# for the gateway\n\nX-Api-Key:  a b\t c \nX-Tenant: 7\n")
    monkeypatch.setenv("COMPORTA_ERP_HEADERS_FILE", "headers")
    monkeypatch.setenv("COMPORTA_ERP_TOKEN", "hunter2")
    access = erp_access(load_settings())
    assert access.headers == {"X-Api-Key": "a b\t c", "X-Tenant": "7", "Authorization": "Bearer hunter2"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hunter2", "line 1 of headers must be a header"),
        ("X Key: hunter2", "line 1 of headers must be a header"),
        ("X-Key: hunter2é", "line 1 of headers must be a header"),
        ("X-Key:", "line 1 of headers must be a header"),
        ("Content-Length: 1", "Comporta itself sets the header Content-Length"),
        ("webhook-id: hunter2", "Comporta itself sets the header webhook-id"),
        ("X-Key: hunter2\nx-key: hunter2", "line 2 of headers repeats the header x-key"),
        ("authorization: hunter2", "the ERP's token logs in as well"),
    ],
)
def test_a_file_of_headers_that_cannot_be_sent_is_named_by_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / "headers").write_text(line)
    monkeypatch.setenv("COMPORTA_ERP_HEADERS_FILE", "headers")
    monkeypatch.setenv("COMPORTA_ERP_TOKEN", "hunter2")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert said in str(error.value)
    assert "hunter2" not in str(error.value)


def test_one_login_to_the_erp_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPORTA_ERP_URL", "https://ana:hunter2@erp.example/orders")
    monkeypatch.setenv("COMPORTA_ERP_TOKEN", "hunter2")
    with pytest.raises(SettingsError, match="COMPORTA_ERP_TOKEN: the user in the ERP's address logs in as well"):
        load_settings()


def test_what_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADMIN_LABEL", "PUBLIC_URL", "OPERATORS_FILE", "TOKEN", "ERP_TOKEN", "ERP_HEADERS_FILE"):
        monkeypatch.setenv(PREFIX + name, "")
    settings = load_settings()
    assert (settings.admin_label, settings.public_url, settings.operators_file, settings.token) == (None,) * 4
    assert (settings.erp_token, settings.erp_headers_file) == (None, None)


def test_all_faults_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPORTA_BROKER_URL", "x")
    monkeypatch.setenv("COMPORTA_DATABASE_URL", "y")
    with pytest.raises(SettingsError) as error:
        load_settings(batch_size=0)
    assert [line.split(":")[0].strip() for line in str(error.value).splitlines()[1:]] == [
        "COMPORTA_BROKER_URL",
        "COMPORTA_DATABASE_URL",
        "COMPORTA_BATCH_SIZE",
    ]


def test_an_env_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"COMPORTA_ADMIN_PORT=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env .* not UTF-8"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KEEP_ORDERS", "7", "at least 30 days: an order that the shop sends again"),
        ("KEEP_TOMBSTONES", "1", "at least 30 days"),
        ("KEEP_LEDGER_MINUTES", "0.5", "at least 1 days"),
        ("KEEP_AUDIT", "-1", "greater than or equal to 0"),
    ],
)
def test_a_retention_that_would_lose_more_than_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError, match=rf"{PREFIX}{name}.*{said}"):
        load_settings()


def test_nothing_is_deleted_unless_a_setting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("quarantine", "repairs", "audit", "orders", "tombstones")
    assert {load_settings().retention.age(kind) for kind in kinds} == {None}
    monkeypatch.setenv(PREFIX + "KEEP_ORDERS", "90")
    assert load_settings().retention.orders == timedelta(days=90)
