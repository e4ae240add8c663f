"""ARCHITECTURE.md against the code: its paths exist, its journeys follow the imports, its layers are enforced."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS: list[str] = CONFIGURATION["tool"]["importlinter"]["root_packages"]
# The most files that a reader has to open.
BOUNDS = {
    "An event, from its queue to its acknowledgement": 14,
    "A pause, from the broker to its reply": 10,
    "A pause, from the page's button to its commit": 16,
    "An order, from the shop to the ERP, and its receipt": 18,
}


def section(heading: str) -> str:
    """The text below a heading, up to the next one of any level."""
    _, _, rest = TEXT.partition(f"# {heading}\n")
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def journey(heading: str) -> list[str]:
    """The files of a journey, in reading order."""
    return re.findall(r"^\| \[\S+\]\((\S+)\) \|", section(heading), re.MULTILINE)


def file_of(module: str) -> str | None:
    """The path of a module or package of ours, None for any other name."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.exists():
            return str(file.relative_to(ROOT))
    return None


@cache
def imports(file: str) -> frozenset[str]:
    """The files of ours that a Python file imports, lazily or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            # `from package import module` names a file as much as `from module import name`.
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(found for name in names if name.split(".")[0] in ROOMS and (found := file_of(name)) is not None)


def leads_to(file: str, target: str) -> bool:
    """A file names a template, or imports a module: directly, or through one file of its own folder."""
    if not file.endswith(".py"):
        return False
    if not target.endswith(".py"):
        template = target.partition("/templates/")[2]
        return bool(template) and f'"{template}"' in (ROOT / file).read_text()
    neighbours = {between for between in imports(file) if Path(between).parent == Path(file).parent}
    return any(target in imports(importer) for importer in {file, *neighbours})


def test_every_path_exists() -> None:
    links = re.findall(r"\[([^\]]+)\]\(([^)#]+)\)", TEXT)
    assert len(links) > 50
    for _, target in links:
        assert (ROOT / target).exists(), target
    # A path that is spelt out is the one that it leads to.
    assert [(label, target) for label, target in links if "/" in label and label != target] == []
    for path in re.findall(r"`([a-z_]+/[a-z_/.]*)`", TEXT):
        assert (ROOT / path).exists(), path


def test_every_name_in_the_control_plane_is_in_its_file() -> None:
    for name, path in re.findall(r"`(\w+)` in \[\S+\]\((\S+)\)", TEXT):
        assert re.search(rf"^\s*(def|class) {name}\b", (ROOT / path).read_text(), re.MULTILINE), (name, path)


def test_the_journeys_are_the_bounded_ones() -> None:
    headings = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)
    assert headings == list(BOUNDS)


@pytest.mark.parametrize(("heading", "bound"), BOUNDS.items())
def test_a_journey_is_short(heading: str, bound: int) -> None:
    files = journey(heading)
    assert len(files) == len(set(files))
    assert 5 < len(files) <= bound


@pytest.mark.parametrize("heading", BOUNDS)
def test_every_file_of_a_journey_is_reached_from_one_before_it(heading: str) -> None:
    files = journey(heading)
    modules = [file for file in files if file.endswith(".py")]
    for position, module in enumerate(modules[1:], 1):
        assert any(leads_to(earlier, module) for earlier in modules[:position]), module
    for template in set(files) - set(modules):
        assert any(leads_to(module, template) for module in modules), template


@pytest.mark.parametrize("heading", BOUNDS)
def test_every_function_that_a_journey_names_is_in_its_file(heading: str) -> None:
    for path, step in re.findall(r"^\| \[\S+\]\((\S+)\) \| (.+) \|$", section(heading), re.MULTILINE):
        for name in re.findall(r"^`(\w+)`", step):
            assert re.search(rf"^\s*def {name}\b", (ROOT / path).read_text(), re.MULTILINE), (name, path)


def test_an_unrelated_file_would_not_pass_for_a_step() -> None:
    assert not leads_to("consumers/worker.py", "producers/publisher.py")
    assert not leads_to("control/consumer.py", "consumers/decode.py")
    assert not leads_to("comporta/runtime/bootstrap.py", "storage/tail.py")
    assert not leads_to("comporta/web/pages/switch.py", "comporta/web/pages/templates/orders.html")


def test_the_layers_are_those_that_the_linter_enforces() -> None:
    contracts = CONFIGURATION["tool"]["importlinter"]["contracts"]
    enforced = next(contract["layers"] for contract in contracts if contract["name"] == "Imports run one way")
    picture = section("Rooms and layers").split("```")[1]
    layers = re.findall(r"^([\w.]+)(?: +│ ([\w.]+))? ", picture.removeprefix("text"), re.MULTILINE)
    assert [" | ".join(filter(None, names)) for names in layers] == enforced
