"""Wheel, built from the sdist: installed without a network, it runs outside the checkout, with its files alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.services.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
ROOMS: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
# Neither belongs to the sources; an old build/lib would even end up in the wheel.
_LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "node_modules", "__pycache__", "*.egg-info")
_UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without the settings and import paths of the tests."""
    environment = {"PATH": os.defpath, "HOME": str(home)}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, so that building leaves nothing there."""
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("sources") / "comporta", ignore=_LEFT_OUT))


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist with the locked tools that are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--offline", "--no-cache", "--no-config", "--no-build-isolation", "--python", sys.executable)
    built = run(_UV, "build", *options, "--out-dir", folder, sources, folder=folder, home=folder)
    assert built.returncode == 0, built.stderr
    [file], [_] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return file


@pytest.fixture(scope="module")
def files(wheel: Path) -> Sequence[str]:
    """The names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a virtual environment that has the wheel, and sees what it depends on."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder)
    python = folder / "bin" / "python"
    options = ("--offline", "--no-cache", "--no-config", "--no-deps", "--python", python)
    done = run(_UV, "pip", "install", *options, wheel, folder=folder, home=folder)
    assert done.returncode == 0, done.stderr
    # A folder that a .pth file names is searched last, and the .pth files in it are not read: the dependencies are
    # found, the checkout is not, though it is installed there as editable.
    [packages] = folder.glob("lib/python*/site-packages")
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("\n".join(dependencies))
    return python.parent


def test_the_wheel_ships_the_rooms_and_nothing_else(files: Sequence[str]) -> None:
    tops = {name.split("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(ROOMS)


def test_every_package_of_the_wheel_is_marked_as_typed(files: Sequence[str]) -> None:
    assert [room for room in ROOMS if f"{room}/py.typed" not in files] == []


def test_every_file_of_the_rooms_is_in_the_wheel(sources: Path, files: Sequence[str]) -> None:
    there = {str(file.relative_to(sources)) for room in ROOMS for file in (sources / room).rglob("*") if file.is_file()}
    assert sorted(there - set(files)) == []
    for folder, suffix in (
        ("comporta/web/pages/templates/", ".html"),
        ("comporta/web/pages/static/", ".js"),
        ("comporta/web/pages/static/", ".css"),
        ("comporta/web/pages/locale/", ".po"),
        ("storage/migrations/versions/", ".py"),
    ):
        assert any(name.startswith(folder) and name.endswith(suffix) for name in files), folder


def test_the_installed_demo_accounts_for_every_event(installed: Path, tmp_path: Path) -> None:
    folder, home = tmp_path / "empty", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    demo = ("demo", "--seconds", "3", "--port", str(free_port()))
    done = run(installed / "comporta", *demo, folder=folder, home=home)
    assert done.returncode == 0, done.stderr
    assert "difference 0" in done.stdout
    assert list(folder.iterdir()) == []


def test_publishers_import_it_by_its_one_name(installed: Path, tmp_path: Path) -> None:
    program = (
        "from comporta import Publisher, outgoing_text; import comporta, producers; "
        "print(Publisher.__name__, outgoing_text.__name__, comporta.__file__, producers.__file__, sep='\\n')"
    )
    done = run(installed / "python", "-c", program, folder=tmp_path, home=tmp_path)
    assert done.returncode == 0, done.stderr
    publisher, function, *places = done.stdout.split()
    assert (publisher, function) == ("Publisher", "outgoing_text")
    assert all(Path(place).is_relative_to(installed.parent) for place in places)
