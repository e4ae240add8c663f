"""The link that logs in is printed on a terminal alone."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from comporta.runtime.login_link import print_login_link
from control.auth.local_token import delete_local_link

LINK = "http://127.0.0.1:8080/?token=secret"


class Terminal(io.StringIO):
    """Output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of the user's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "comporta"


def test_a_terminal_shows_the_link(runtime: Path) -> None:
    print_login_link(LINK, 8080, terminal := Terminal())
    assert terminal.getvalue() == f"Open {LINK}\n"
    assert not runtime.exists()


def test_elsewhere_a_file_holds_it_until_the_end(runtime: Path) -> None:
    print_login_link(LINK, 8080, log := io.StringIO())
    file = runtime / "8080.link"
    assert log.getvalue() == f"Open http://127.0.0.1:8080/ (the link that signs in is in {file})\n"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{LINK}\n", 0o600)
    delete_local_link(8080, LINK)
    assert not file.exists()


def test_without_a_safe_folder_no_link_is_shown(runtime: Path, tmp_path: Path) -> None:
    for folder in (runtime, tmp_path / f"comporta-{os.geteuid()}"):
        folder.mkdir()
        folder.chmod(0o755)
    print_login_link(LINK, 8080, log := io.StringIO())
    assert log.getvalue() == "Open http://127.0.0.1:8080/\n"
