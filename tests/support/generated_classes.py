"""Stock events written with the classes that code generators make of the schema, one function a language."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.example_clients import JAVA_CLIENT, NODE_CLIENT, PYTHON_CLIENT, Client
from tests.support.example_programs import run_command

__all__ = ["GENERATORS", "JACKSON", "WRITERS", "Writer", "runnable_writers"]

_ROOT = Path(__file__).resolve().parents[2]
_SCHEMA = _ROOT / "docs/contract/schemas/erp.stock.changed.v1.json"
# Where the packages of the contract's tests are installed.
GENERATORS = _ROOT / "tests/contract"
# What the Java classes are read and written with.
JACKSON = tuple(f"/usr/share/java/jackson-{part}.jar" for part in ("databind", "core", "annotations"))

# Takes an event as JSON, the sequence that it shall have, and a folder; returns the event as the class writes it.
Writer = Callable[[str, int, Path], str]


def write_with_python(event: str, sequence: int, folder: Path) -> str:
    """Write it with a class of datamodel-code-generator."""
    module = folder / "stock_changed.py"
    _run(
        *(sys.executable, "-m", "datamodel_code_generator", "--input", _SCHEMA, "--input-file-type", "jsonschema"),
        *("--output", module, "--output-model-type", "pydantic_v2.BaseModel", "--use-title-as-name"),
        *("--disable-timestamp", "--formatters", "builtin"),
    )
    spec = importlib.util.spec_from_file_location("generated_stock_changed", module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    written = loaded.StockChanged.model_validate_json(event).model_copy(update={"sequence": str(sequence)})
    return str(written.model_dump_json(by_alias=True, exclude_unset=True))


def write_with_typescript(event: str, sequence: int, folder: Path) -> str:
    """Write it with a type of json-schema-to-typescript, checked by tsc and run by Node."""
    commands = GENERATORS / "node_modules/.bin"
    _run(commands / "json2ts", "-i", _SCHEMA, "-o", folder / "stock_changed.d.ts")
    program = (
        'import type { StockChanged } from "./stock_changed";\n'
        f"const received: StockChanged = {event};\n"
        f'const event: StockChanged = {{ ...received, sequence: "{sequence}" }};\n'
        "console.log(JSON.stringify(event));\n"
    )
    (folder / "write_stock.ts").write_text(program, encoding="utf-8")
    options = ("--strict", "--target", "es2022", "--module", "commonjs", "--types", "", "--outDir", folder)
    _run(commands / "tsc", *options, folder / "write_stock.ts")
    return _run("node", folder / "write_stock.js")


def write_with_quicktype(event: str, sequence: int, folder: Path) -> str:
    """Write it with a Java class of quicktype and with Jackson."""
    classes = folder / "generated"
    classes.mkdir()
    options = ["--src-lang", "schema", "--lang", "java", "--acronym-style", "original", "--package", "generated"]
    runs = [[*options, "--top-level", "StockChanged", "--out", str(classes / "StockChanged.java"), str(_SCHEMA)]]
    _run("sh", "-c", 'printf %s "$1" | node quicktype.mjs', "sh", json.dumps(runs), folder=GENERATORS)
    # Its helper for times needs a library that Debian does not have.
    (classes / "Converter.java").unlink()
    return _write_with_java(event, sequence, folder)


def write_with_modelina(event: str, sequence: int, folder: Path) -> str:
    """Write it with a Java class of modelina and with Jackson."""
    runs = [{"schema": str(_SCHEMA), "package": "generated", "folder": str(folder / "generated")}]
    _run("sh", "-c", 'printf %s "$1" | node modelina.mjs', "sh", json.dumps(runs), folder=GENERATORS)
    return _write_with_java(event, sequence, folder)


def _write_with_java(event: str, sequence: int, folder: Path) -> str:
    classes, compiled, path = folder / "generated", folder / "compiled", ":".join(JACKSON)
    source = _ROOT / "tests/examples/WriteStock.java"
    _run("javac", "-proc:none", "-cp", path, "-d", compiled, *classes.glob("*.java"), source)
    return _run("java", "-cp", f"{path}:{compiled}", "WriteStock", event, str(sequence))


def _run(*command: object, folder: Path | None = None) -> str:
    words = [str(word) for word in command]
    if folder is not None:
        words = ["env", "-C", str(folder), *words]
    done = run_command(words)
    assert done.returncode == 0, f"{' '.join(words)[:300]}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


# With the client that publishes what they write, and what they need beside it.
WRITERS: dict[str, tuple[Client, Writer, tuple[str, ...]]] = {
    "python": (PYTHON_CLIENT, write_with_python, ()),
    "typescript": (NODE_CLIENT, write_with_typescript, ()),
    "java by quicktype": (JAVA_CLIENT, write_with_quicktype, JACKSON),
    "java by modelina": (JAVA_CLIENT, write_with_modelina, JACKSON),
}


def runnable_writers() -> list[str]:
    """Return the languages that this machine has everything for; Python and TypeScript are wanted everywhere."""
    optional = {
        name
        for name, (client, _, needs) in WRITERS.items()
        if client == JAVA_CLIENT and (client.example.missing or not all(Path(need).is_file() for need in needs))
    }
    return [name for name in WRITERS if name not in optional]
