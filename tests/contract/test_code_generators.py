"""Code generators: classes of TypeScript, Python and Java from the schemas, compiled and filled with the samples."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

from schemas.json_schema import SCHEMA_NAMES, class_name
from tests.support.contract_samples import CONTRACT, VALID, Sample
from tests.support.example_programs import run_command
from tests.support.generated_classes import JACKSON
from tests.support.node import Node, install_packages

pytestmark = pytest.mark.slow

SCHEMAS = CONTRACT / "schemas"
FOLDER = Path(__file__).parent
# Classes that a generator makes of one schema only because it could not give a type its name: `Price1`, `Data2`.
NUMBERED = re.compile(r"^(?:export )?(?:interface|class|type|public class) (\w*\D[0-9]+)\b", re.MULTILINE)


@pytest.fixture(scope="module")
def generators() -> Path:
    """Folder of the generators that are Node programs."""
    install_packages(FOLDER)
    return FOLDER / "node_modules" / ".bin"


def samples_by_type() -> dict[str, list[Sample]]:
    """Return the valid samples by the type of their message."""
    types: dict[str, list[Sample]] = {}
    for sample in VALID:
        name = json.loads(sample.body).get("type", "comporta.control.message")
        types.setdefault(name, []).append(sample)
    return types


def run(*command: object) -> str:
    done = run_command([str(part) for part in command])
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def assert_named(code: Iterable[str]) -> None:
    """Check that no class has a number behind its name."""
    numbered = [name for text in code for name in NUMBERED.findall(text)]
    assert numbered == []


def test_class_names_are_distinct_and_readable() -> None:
    names = [class_name(name) for name in SCHEMA_NAMES]
    assert len(set(names)) == len(names)
    assert class_name("erp.price_table.changed.v1") == "PriceTableChanged"
    assert class_name("comporta.status.document") == "StatusDocument"


def test_typescript_takes_every_valid_sample(generators: Path, tmp_path: Path) -> None:
    run(generators / "json2ts", "-i", SCHEMAS, "-o", tmp_path)
    code = {path.name.removesuffix(".d.ts"): path.read_text() for path in tmp_path.glob("*.d.ts")}
    assert set(code) >= set(SCHEMA_NAMES)
    for name, text in code.items():
        assert f"export interface {class_name(name)} " in text
        assert "& string" not in text, f"{name}: a type that no text fits"
    assert_named(code.values())
    for name, samples in samples_by_type().items():
        # A constant is of the interface's type only if every field of the sample fits.
        uses = [f"const s{at}: {class_name(name)} = {sample.body.decode()};" for at, sample in enumerate(samples)]
        wrong = f"// @ts-expect-error a message must be whole\nconst empty: {class_name(name)} = {{}};"
        use = [f'import {{ {class_name(name)} }} from "./{name}";', *uses, wrong]
        (tmp_path / f"{name}.samples.ts").write_text("\n".join(use))
    run(generators / "tsc", "--noEmit", "--strict", "--target", "es2022", "--types", "", *tmp_path.glob("*.ts"))


def test_quicktype_makes_classes_of_every_schema_and_java_compiles_them(node: Node, tmp_path: Path) -> None:
    packages = {name: tmp_path / name.replace(".", "_") for name in SCHEMA_NAMES}
    options = ["--src-lang", "schema", "--lang", "java", "--just-types", "--acronym-style", "original"]
    runs = []
    for name, folder in packages.items():
        folder.mkdir()
        out = folder / f"{class_name(name)}.java"
        named = ["--package", folder.name, "--top-level", class_name(name), "--out", str(out)]
        runs.append([*options, *named, str(SCHEMAS / f"{name}.json")])
    node("quicktype.mjs", runs)
    for name, folder in packages.items():
        assert class_name(name).lower() in {path.stem.lower() for path in folder.iterdir()}
    assert_named(path.read_text() for path in tmp_path.rglob("*.java"))
    if shutil.which("javac"):
        run("javac", "-proc:none", "-d", tmp_path / "classes", *tmp_path.rglob("*.java"))


def test_modelina_makes_classes_of_every_schema_and_java_compiles_them(node: Node, tmp_path: Path) -> None:
    packages = {name: tmp_path / name.replace(".", "_") for name in SCHEMA_NAMES}
    runs = [
        {"schema": str(SCHEMAS / f"{name}.json"), "package": folder.name, "folder": str(folder)}
        for name, folder in packages.items()
    ]
    node("modelina.mjs", runs)
    for name, folder in packages.items():
        assert f"public class {class_name(name)} {{" in (folder / f"{class_name(name)}.java").read_text()
    assert_named(path.read_text() for path in tmp_path.rglob("*.java"))
    fields = (packages["erp.stock.changed.v1"] / "Stock.java").read_text()
    assert "private String reserved;" in fields, "a field that may be null has no type"
    if shutil.which("javac") and all(Path(library).is_file() for library in JACKSON):
        path = ":".join(JACKSON)
        run("javac", "-proc:none", "-cp", path, "-d", tmp_path / "classes", *tmp_path.rglob("*.java"))


def test_python_classes_take_every_sample_and_write_what_is_taken(tmp_path: Path) -> None:
    run(sys.executable, "-m", "datamodel_code_generator", "--input", SCHEMAS, "--input-file-type", "jsonschema",
        "--output", tmp_path / "classes", "--output-model-type", "pydantic_v2.BaseModel", "--use-title-as-name",
        "--disable-timestamp", "--formatters", "builtin")  # fmt: skip
    assert_named(path.read_text() for path in (tmp_path / "classes").glob("*.py"))
    for name, samples in samples_by_type().items():
        module = imported(tmp_path / "classes" / f"{name.replace('.', '_')}.py")
        model = getattr(module, class_name(name))
        for sample in samples:
            written = model.model_validate_json(sample.body).model_dump_json(by_alias=True, exclude_unset=True)
            Sample(sample.domain, sample.name, written.encode()).parse()


def imported(path: Path) -> ModuleType:
    """Import a module from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_typescript_checks_the_client_for_node_by_the_types_in_its_comments(generators: Path, tmp_path: Path) -> None:
    client = FOLDER.parents[1] / "examples" / "node" / "comporta_client.js"
    for source in (client, client.with_name("package.json")):
        shutil.copy(source, tmp_path)
    (tmp_path / "node_modules").symlink_to(generators.parent)
    options = "--noEmit --allowJs --checkJs --strict --skipLibCheck --target es2022 --module nodenext --types node"
    run(generators / "tsc", *options.split(), "--typeRoots", generators.parent / "@types", tmp_path / client.name)
