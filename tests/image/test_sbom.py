"""`make sbom`: what a release installs is in the bill of materials, with a licence that lets it be shipped."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SBOM = ROOT / "build" / "sbom"
# The program may be shipped with these; a library under the LGPL stays a library of its own.
ALLOWED = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software|MPL|Mozilla|LGPL|Lesser General Public|Unlicense|0BSD|Zope|Public Domain"
)


@pytest.fixture(scope="module")
def locked() -> set[str]:
    text = (ROOT / "requirements" / "runtime.txt").read_text()
    return {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==[^;\n]*(?: \\)?$", text, re.MULTILINE)}


@pytest.fixture(scope="module", autouse=True)
def _made() -> None:
    done = subprocess.run(["make", "sbom"], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr


def test_the_bill_names_what_is_locked(locked: set[str]) -> None:
    document = json.loads((SBOM / "comporta.cdx.json").read_text())
    assert (document["bomFormat"], document["metadata"]["component"]["name"]) == ("CycloneDX", "comporta")
    found = {re.sub(r"[-_.]+", "-", component["name"]).lower() for component in document["components"]}
    assert len(found) > 30
    assert locked <= found


def test_every_licence_lets_it_be_shipped() -> None:
    rows = [line.split("|")[1:4] for line in (SBOM / "licenses.md").read_text().splitlines()[2:]]
    assert rows
    assert [(name.strip(), licence.strip()) for name, _, licence in rows if not ALLOWED.search(licence)] == []
