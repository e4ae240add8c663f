"""Operators: what their file may say, how it is changed, and whom it lets in while it changes."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from comporta.cli.main import app
from comporta.runtime.settings import Settings, SettingsError
from comporta.web.access import open_access
from control.auth.operators import OperatorsFile, OperatorsUnreadable, SingleCredential, parse_operators, read_operators
from control.auth.operators_edit import OperatorsUnchanged, add_operator, remove_operator
from control.auth.sessions import SESSION_SECONDS, Sessions
from control.auth.tokens import Credential, Identity, Role, authenticate, digest_of, new_token

ANA = Identity("ana", Role.OPERATOR)
DIGEST = "a" * 64


def entry(name: str = "ana", role: str = "viewer", digest: str = DIGEST) -> str:
    return f'[[operator]]\nname = "{name}"\nrole = "{role}"\ntoken_sha256 = "{digest}"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "operators.toml"


def test_an_added_operator_is_known_by_the_token_and_the_file_keeps_only_its_hash(path: Path) -> None:
    token = add_operator(path, "ana", Role.OPERATOR)
    holders = read_operators(path)
    assert authenticate(token, holders) == Credential(ANA, digest_of(token))
    assert authenticate(token + "x", holders) is None
    assert token not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_has_32_random_bytes_and_says_what_it_is() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.startswith("comporta_") and len(token) == len("comporta_") + 43 for token in tokens)


def test_comments_and_the_mode_outlive_a_change(path: Path) -> None:
    path.write_text(f"# our people\n{entry('rui')}# until May\n{entry('eva', digest='b' * 64)}")
    path.chmod(0o640)
    add_operator(path, "ana", Role.VIEWER)
    remove_operator(path, "rui")
    text = path.read_text()
    assert text.startswith("# our people\n")
    assert [who.name for who, _ in read_operators(path)] == ["eva", "ana"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_reached_by_a_link_is_changed_where_it_is(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text(entry("rui"))
    path.symlink_to(real)
    add_operator(path, "ana", Role.VIEWER)
    assert path.is_symlink()
    assert len(read_operators(real)) == 2


def test_additions_at_the_same_time_all_last(path: Path) -> None:
    names = [f"person-{number}" for number in range(12)]
    threads = [threading.Thread(target=add_operator, args=(path, name, Role.VIEWER)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(who.name for who, _ in read_operators(path)) == sorted(names)


def test_a_name_is_added_once_and_the_refusal_names_it(path: Path) -> None:
    add_operator(path, "ana", Role.VIEWER)
    before = path.read_bytes()
    with pytest.raises(OperatorsUnchanged, match="names ana already"):
        add_operator(path, "ana", Role.OPERATOR)
    assert path.read_bytes() == before


def test_an_unknown_operator_cannot_be_removed_and_the_refusal_names_the_known(path: Path) -> None:
    add_operator(path, "ana", Role.VIEWER)
    with pytest.raises(OperatorsUnchanged, match="does not name rui; it names ana"):
        remove_operator(path, "rui")


@pytest.mark.parametrize("name", ["", " ana", "a\nb", "x" * 65, "local", "Comporta", "unknown"])
def test_a_name_that_would_mislead_in_the_audit_is_refused(path: Path, name: str) -> None:
    with pytest.raises(OperatorsUnchanged, match="the name"):
        add_operator(path, name, Role.VIEWER)
    assert not path.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorsUnchanged, match="nowhere"):
        add_operator(tmp_path / "nowhere" / "operators.toml", "ana", Role.VIEWER)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[operator]\n", "line 1"),
        (entry() + "x =\n", "line 5"),
        (entry("rui", digest="b" * 64) + entry(role="admin"), r"\[\[operator\]\] number 2, role: must be viewer"),
        (entry(digest="hunter2"), r"number 1, token_sha256: .*`comporta operator add`"),
        (entry(digest="A" * 64), "token_sha256"),
        ('[[operator]]\nname = "ana"\nrole = "viewer"\n', "number 1, token_sha256"),
        (entry() + 'password = "hunter2"\n', "number 1, password"),
        ("operators = []\n", "operators"),
        ("operator = 5\n", "operator"),
        (entry() + entry(digest="b" * 64), r"number 1 and \[\[operator\]\] number 2 have the same name"),
        (entry() + entry("rui"), "have the same token"),
        (entry("local"), "number 1, name"),
    ],
)
def test_a_fault_is_named_by_file_and_place_and_no_secret_is_repeated(path: Path, text: str, says: str) -> None:
    with pytest.raises(OperatorsUnreadable, match=says) as error:
        parse_operators(text, path)
    assert str(path) in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"\xff", "folder"])
def test_a_file_that_cannot_be_read_at_start_is_named_with_the_setting(path: Path, content: bytes | str | None) -> None:
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"COMPORTA_OPERATORS_FILE: {path}"):
        open_access(Settings(operators_file=path))


def names(holders: Sequence[Credential]) -> list[str]:
    return [who.name for who, _ in holders]


def test_a_change_counts_at_once_and_a_broken_one_leaves_the_last_good_one(path: Path) -> None:
    add_operator(path, "ana", Role.OPERATOR)
    registry = OperatorsFile(path)
    add_operator(path, "rui", Role.VIEWER)
    assert names(registry.credentials()) == ["ana", "rui"]
    path.write_text("[[operator")
    with capture_logs() as said:
        assert names(registry.credentials()) == ["ana", "rui"]
    assert [line["log_level"] for line in said if "operators file can't be used" in line["event"]] == ["error"]
    path.unlink()
    assert names(registry.credentials()) == ["ana", "rui"]
    path.write_text("")
    assert names(registry.credentials()) == []


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True), (0o660, True)])
def test_a_file_that_is_open_to_others_is_warned_of_with_its_mode(path: Path, mode: int, warned: bool) -> None:
    add_operator(path, "ana", Role.OPERATOR)
    path.chmod(mode)
    with capture_logs() as said:
        OperatorsFile(path)
    assert (f"{mode:04o}" in str(said)) is warned


def test_a_session_ends_with_its_time_its_logout_its_owner_and_its_token(path: Path) -> None:
    now = time.time()
    token = add_operator(path, "ana", Role.OPERATOR)
    registry = OperatorsFile(path)
    sessions = Sessions(registry, lambda: now)
    holder = authenticate(token, registry.credentials())
    assert holder is not None
    value, other = sessions.issue(holder), sessions.issue(holder)
    assert sessions.identity_of(value) == ANA
    sessions.end(value)
    assert (sessions.identity_of(value), sessions.identity_of(other)) == (None, ANA)
    remove_operator(path, "ana")
    assert sessions.identity_of(other) is None
    add_operator(path, "ana", Role.OPERATOR)
    assert sessions.identity_of(other) is None
    [again] = registry.credentials()
    value = sessions.issue(again)
    now += SESSION_SECONDS - 1
    assert sessions.identity_of(value) == ANA
    now += 2
    assert sessions.identity_of(value) is None


def test_a_session_keeps_to_the_role_that_its_owner_has_now(path: Path) -> None:
    path.write_text(entry(role="operator"))
    registry = OperatorsFile(path)
    sessions = Sessions(registry)
    value = sessions.issue(registry.credentials()[0])
    path.write_text(entry(role="viewer"))
    assert sessions.identity_of(value) == Identity("ana", Role.VIEWER)


def test_a_session_that_somebody_has_written_themselves_is_none() -> None:
    registry = SingleCredential(Credential(ANA, DIGEST))
    sessions, others = Sessions(registry), Sessions(registry)
    value = sessions.issue(registry.credentials()[0])
    payload, _, signature = value.partition(".")
    assert DIGEST[:16] not in payload
    for forged in (
        others.issue(registry.credentials()[0]),
        payload,
        f"{payload}.",
        f"x{payload}.{signature}",
        "",
        ".",
        "é.é",
    ):
        assert sessions.identity_of(forged) is None


def test_an_erp_is_bound_to_shops_by_the_command_and_listed_with_them(path: Path) -> None:
    def command(*words: str) -> Result:
        return CliRunner().invoke(app, ["operator", *words, "--file", str(path)])

    added = command("add", "winthor", "--role", "erp", "--shop", "main", "--shop", "two", "--shop", "main")
    assert (added.exit_code, "winthor is now an erp of main, two" in added.stdout) == (0, True)
    assert [who for who, _ in read_operators(path)] == [("winthor", Role.ERP, ("main", "two"))]
    assert command("list", "--json").stdout.count('"main"') == 1
    assert "main two" in command("list").stdout
    for words in (("--role", "erp"), ("--role", "viewer", "--shop", "main"), ("--role", "erp", "--shop", "Main")):
        assert command("add", "other", *words).exit_code == 2
    assert len(read_operators(path)) == 1
