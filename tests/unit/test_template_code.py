"""Compiled templates: kept beside their sources, compiled anew where a source has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from comporta.web.pages.template_code import TemplateCode


@pytest.fixture(autouse=True)
def writes_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)


class Compiling(Environment):
    """An environment that counts what it compiles."""

    compiled = 0

    def _compile(self, source: str, filename: str) -> object:
        self.compiled += 1
        return super()._compile(source, filename)


def environment(folder: Path, code: TemplateCode) -> Compiling:
    (folder / "a.html").touch()
    return Compiling(loader=FileSystemLoader(folder), bytecode_cache=code)


def test_a_template_is_compiled_once_for_all_environments_and_processes(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("{{ 1 + 1 }}")
    first = TemplateCode(tmp_path / "code")
    for code, compiled in ((first, 1), (first, 0), (TemplateCode(tmp_path / "code"), 0)):
        made = environment(tmp_path, code)
        assert (made.get_template("a.html").render(), made.compiled) == ("2", compiled)


def test_a_changed_template_is_compiled_again(tmp_path: Path) -> None:
    for source, shown in (("one", "one"), ("two", "two")):
        (tmp_path / "a.html").write_text(source)
        made = environment(tmp_path, TemplateCode(tmp_path / "code"))
        assert (made.get_template("a.html").render(), made.compiled) == (shown, 1)


@pytest.mark.parametrize("length", [0, 1, 30, 40, 60, 100])
@pytest.mark.parametrize("rest", [b"", b"of another program" * 10])
def test_what_is_no_code_is_replaced(tmp_path: Path, length: int, rest: bytes) -> None:
    (tmp_path / "a.html").write_text("one")
    environment(tmp_path, TemplateCode(tmp_path / "code")).get_template("a.html")
    [file] = (tmp_path / "code").iterdir()
    file.write_bytes(file.read_bytes()[:length] + rest)
    for compiled in (1, 0):
        made = environment(tmp_path, TemplateCode(tmp_path / "code"))
        assert (made.get_template("a.html").render(), made.compiled) == ("one", compiled)
    assert [*(tmp_path / "code").iterdir()] == [file]


def test_a_folder_that_can_not_be_written_to_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("one")
    code = TemplateCode(tmp_path / "a.html" / "code")
    for compiled in (1, 0):
        made = environment(tmp_path, code)
        assert (made.get_template("a.html").render(), made.compiled) == ("one", compiled)


def test_no_code_is_written_where_python_writes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    (tmp_path / "a.html").write_text("one")
    environment(tmp_path, TemplateCode(tmp_path / "code")).get_template("a.html")
    assert not (tmp_path / "code").exists()
