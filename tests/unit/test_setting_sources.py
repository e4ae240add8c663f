"""Sources of settings, their masked display, and unknown names."""

from __future__ import annotations

from pathlib import Path

import pytest

from comporta.runtime.settings import Settings, load_settings, redacted, setting_sources, unknown_names


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"COMPORTA_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_each_value_names_the_place_that_won(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("COMPORTA_BATCH_SIZE=10\nCOMPORTA_BATCH_MS=30\n")
    monkeypatch.setenv("COMPORTA_BATCH_MS", "40")
    found = {given.name: (given.value, given.source) for given in setting_sources(load_settings())}
    assert found["COMPORTA_BATCH_SIZE"] == (10, ".env")
    assert found["COMPORTA_BATCH_MS"] == (40, "environment")
    assert found["COMPORTA_ADMIN_PORT"] == (8080, "default")
    assert len(found) == len(Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("BROKER_URL", "amqp://ana:hunter2@host:5672/v", "amqp://ana:***@host:5672/v"),
        ("BROKER_URL", "amqp://host/v?password=hunter2", "amqp://host/v?***"),
        ("DATABASE_URL", "postgresql://ana:hunter2@host/x?password=hunter2", "postgresql+psycopg://ana:***@host/x"),
        ("DATABASE_URL", "sqlite:///x.db", "sqlite:///x.db"),
        ("ERP_URL", "https://ana:hunter2@erp/x?key=hunter2", "https://ana:***@erp/x?***"),
        ("TOKEN", "hunter2", "(hidden)"),
    ],
)
def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str, shown: str) -> None:
    monkeypatch.setenv(f"COMPORTA_{name}", value)
    given = setting_sources(load_settings())
    assert {each.name: each.value for each in given}[f"COMPORTA_{name}"] == shown
    assert "hunter2" not in repr(given)


def test_a_value_that_is_not_set_is_shown_as_none() -> None:
    assert redacted("erp_url", None) is None


def test_a_misspelt_name_is_found_with_what_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("COMPORTA_BATCHSIZE=10\nOTHER=1\n")
    monkeypatch.setenv("COMPORTA_ZZZ", "hunter2")
    monkeypatch.setenv("COMPORTA_TEST_BROKER_URL", "amqp://x")
    assert [tuple(each) for each in unknown_names()] == [
        ("COMPORTA_BATCHSIZE", ".env", "COMPORTA_BATCH_SIZE"),
        ("COMPORTA_ZZZ", "environment", None),
    ]
