"""The image of the Dockerfile, built and run: small, without root, on a root filesystem that nothing can write to."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.services.ports import free_port

BUILD = Path(__file__).with_name("build.sh")
# In the place of python:3.12-slim comes a Debian of its size; what is ours is counted apart from it.
MOST_OF_OURS = 100_000_000
USER = "10001"
_BUILDAH = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
_CONFINED = """\
mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -t tmpfs -o mode=1777 tmpfs "$0/tmp" &&
mount --bind /proc "$0/proc" && mount --bind /dev "$0/dev" &&
exec env -i PATH=/comporta/bin:/usr/sbin:/usr/bin HOME=/var/lib/comporta chroot "$0" \
    setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- \
    sh -c 'cd /var/lib/comporta && exec "$@"' sh "$@"
"""


class Image(NamedTuple):
    """A built image and its root folder, mounted."""

    folder: Path
    root: Path

    def buildah(self, *arguments: str) -> str:
        return buildah(self.folder, *arguments)

    def run(self, *command: str, seconds: float = 90) -> subprocess.CompletedProcess[str]:
        """Run a command inside as the image's user: the root filesystem is read-only, and no privilege is left."""
        confined = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _CONFINED, str(self.root), *command]
        return subprocess.run(confined, capture_output=True, text=True, timeout=seconds, check=False)


def buildah(folder: Path, *arguments: str) -> str:
    command = ["buildah", "--root", f"{folder}/storage", "--runroot", f"{folder}/run", *arguments]
    done = subprocess.run(command, env=os.environ | _BUILDAH, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if os.geteuid() != 0:
        pytest.fail("the image can only be built as root here", pytrace=False)
    # Not in memory: the layers of the storage are whole copies.
    folder = Path(f"/var/tmp/comporta-image-{os.getpid()}")
    done = subprocess.run([BUILD, folder], capture_output=True, text=True, timeout=560, check=False)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        container = buildah(folder, "from", "--pull-never", "comporta")
        yield Image(folder, Path(buildah(folder, "mount", container)))
        buildah(folder, "umount", container)
    finally:
        subprocess.run(["rm", "-rf", folder], check=False)


@pytest.mark.timeout(600)
def test_the_image_runs_as_a_user_without_rights(image: Image) -> None:
    found: dict[str, Any] = json.loads(image.buildah("inspect", "--type", "image", "comporta"))["OCIv1"]["config"]
    assert (found["User"], found["Entrypoint"]) == (USER, ["comporta"])
    assert image.run("id", "-u").stdout.strip() == USER
    status = image.run("grep", "-E", "^(CapEff|CapBnd|NoNewPrivs)", "/proc/self/status").stdout.split()
    assert status == ["CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]


def test_what_is_ours_is_small(image: Image) -> None:
    size = sum(file.lstat().st_size for file in (image.root / "comporta").rglob("*"))
    assert size < MOST_OF_OURS
    left = {file.name for file in (image.root / "comporta" / "bin").iterdir()}
    assert not {"pip", "pip3", "uv", "pytest", "ruff"} & left


def test_the_root_filesystem_is_read_only(image: Image) -> None:
    for place in ("/x", "/comporta/x", "/var/lib/comporta/x"):
        assert "Read-only file system" in image.run("touch", place).stderr
    assert image.run("touch", "/tmp/x").returncode == 0


def test_the_demo_runs_inside_and_accounts_for_every_event(image: Image) -> None:
    done = image.run("comporta", "demo", "--seconds", "5", "--port", str(free_port()))
    assert done.returncode == 0, done.stderr
    assert "difference 0" in done.stdout


def test_both_languages_of_the_page_are_inside(image: Image) -> None:
    program = "from babel import Locale; print(Locale.parse('pt_BR').display_name, Locale.parse('en').display_name)"
    assert image.run("python", "-c", program).stdout.split() == ["português", "(Brasil)", "English"]
