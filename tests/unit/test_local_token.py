"""The local link where there are no operators: its file's rights and its target."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from comporta.cli.credentials import client_credentials
from comporta.runtime.settings import Settings, SettingsError
from comporta.web.access import open_access, parse_public_url
from control.auth.local_token import UnsafeTokenFile, delete_local_token, load_local_token, save_local_token
from control.auth.operators_edit import add_operator
from control.auth.tokens import Role


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "operators.toml"


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of the user's own."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return folder / "comporta"


def test_the_link_is_kept_for_the_same_user_alone_and_gone_after_the_stop(runtime: Path) -> None:
    path = save_local_token(8080, "secret")
    assert path == runtime / "8080"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (runtime, path)] == [0o700, 0o600]
    assert load_local_token(8080) == "secret"
    assert client_credentials(Settings(admin_port=8080)).headers == {"authorization": "Bearer secret"}
    assert load_local_token(8081) is None
    delete_local_token(path, "of an earlier process")
    assert path.exists()
    delete_local_token(path, "secret")
    assert load_local_token(8080) is None


def test_where_the_runtime_folder_is_anothers_the_temporary_one_is_taken(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.mkdir()
    runtime.chmod(0o755)
    path = save_local_token(8080, "secret")
    assert path == tmp_path / f"comporta-{os.geteuid()}" / "8080"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert load_local_token(8080) == "secret"


def test_a_link_that_others_may_have_written_is_not_believed(runtime: Path, tmp_path: Path) -> None:
    path = save_local_token(8080, "secret")
    assert path is not None
    path.chmod(0o644)
    with pytest.raises(UnsafeTokenFile, match="0644"):
        load_local_token(8080)
    assert "0644" in (client_credentials(Settings(admin_port=8080)).refused(401) or "")
    path.unlink()
    laid = tmp_path / "laid"
    laid.write_text("theirs")
    laid.chmod(0o600)
    path.symlink_to(laid)
    with pytest.raises(UnsafeTokenFile):
        load_local_token(8080)
    assert save_local_token(8080, "ours") == path
    assert (laid.read_text(), load_local_token(8080)) == ("theirs", "ours")


def test_a_token_that_is_not_enough_is_explained_by_where_it_came_from(runtime: Path) -> None:
    named = client_credentials(Settings(token="abc"))  # type: ignore[arg-type]
    assert named.headers == {"authorization": "Bearer abc"}
    assert "COMPORTA_TOKEN is not a valid token" in (named.refused(401) or "")
    assert "viewer" in (named.refused(403) or "")
    assert named.refused(200) is None
    assert "COMPORTA_TOKEN is not set" in (client_credentials(Settings()).refused(401) or "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example"])
def test_nothing_but_loopback_without_operators(host: str, path: Path) -> None:
    with pytest.raises(SettingsError, match=r"COMPORTA_ADMIN_HOST: .*COMPORTA_OPERATORS_FILE"):
        open_access(Settings(admin_host=host))
    add_operator(path, "ana", Role.OPERATOR)
    assert open_access(Settings(admin_host=host, operators_file=path)).link("http://x") is None


def test_the_link_leads_to_where_people_come_in() -> None:
    local = open_access(Settings())
    assert local.link("http://127.0.0.1:8080") == f"http://127.0.0.1:8080/?token={local.token}"
    assert local.token is not None
    assert local.token not in repr(local)
    behind = open_access(Settings(public_url="https://shop.example/comporta/"))
    assert behind.link("http://127.0.0.1:8080") == f"https://shop.example/comporta/?token={behind.token}"
    assert "shop.example" in behind.hosts


@pytest.mark.parametrize(
    ("url", "origin", "root", "secure"),
    [
        (None, None, "", False),
        ("https://Shop.example:443/comporta", "https://shop.example", "/comporta", True),
        ("http://shop.example:8000", "http://shop.example:8000", "", False),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]", "", True),
    ],
)
def test_the_public_address_is_taken_apart(url: str | None, origin: str | None, root: str, secure: bool) -> None:
    place = parse_public_url(url)
    assert (place.origin, place.root, place.secure) == (origin, root, secure)
