"""The examples that not every machine can run are at least right by their language's grammar."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tree_sitter_c_sharp
from tree_sitter import Language, Node, Parser

from tests.support.example_clients import PARSED_CLIENT
from tests.support.example_programs import CHECKS, FOLDER, Example, run_command, runnable


def faults(node: Node) -> list[str]:
    """Where a parsed text is not what its grammar allows."""
    mine = [f"line {node.start_point.row + 1}: {node.text!r}"] if node.is_error or node.is_missing else []
    return mine + [fault for child in node.children for fault in faults(child)]


@pytest.mark.parametrize("path", [FOLDER / "csharp" / "Program.cs", PARSED_CLIENT], ids=lambda path: path.name)
def test_the_csharp_example_is_right_by_the_grammar(path: Path) -> None:
    # No compiler: .NET is seldom at hand, and a parser is. What the names mean, it doesn't know.
    source = path.read_bytes()
    tree = Parser(Language(tree_sitter_c_sharp.language())).parse(source)
    assert faults(tree.root_node) == []


@pytest.mark.parametrize("check", runnable(*CHECKS), ids=lambda check: check.name)
def test_a_compiler_at_hand_finds_no_fault(check: Example, tmp_path: Path) -> None:
    done = run_command(check.with_output_folder(tmp_path).command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dependencies_are_named_in_files_that_can_be_read() -> None:
    assert json.loads((FOLDER / "php/composer.json").read_text())["require"]["php-amqplib/php-amqplib"]
    [package] = ElementTree.parse(FOLDER / "csharp/FirstStock.csproj").iter("PackageReference")
    assert package.attrib["Include"] == "RabbitMQ.Client"
    maven = "{http://maven.apache.org/POM/4.0.0}"
    named = [tag.text for tag in ElementTree.parse(FOLDER / "java/pom.xml").iter(f"{maven}artifactId")]
    assert "amqp-client" in named


def test_the_lock_file_of_node_names_no_place_to_download_from() -> None:
    locked = json.loads((FOLDER / "node/package-lock.json").read_text())
    assert "amqplib" in locked["packages"][""]["dependencies"]
    assert [name for name, package in locked["packages"].items() if "resolved" in package] == []
