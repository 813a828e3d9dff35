"""The rules of the house that can be read off the source: who imports whom, how it is written."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"
LIBRARY = SCRIPTS / "v1lib"

ALL_SCRIPTS = sorted(SCRIPTS.rglob("*.py"))
LIBRARY_FILES = sorted(LIBRARY.rglob("*.py"))
STEPS = [path for path in ALL_SCRIPTS if path not in LIBRARY_FILES and path.stem != "__main__"]
DRAWING = [path for path in STEPS if path.parent.name in ("figures", "tables")]
MODELS = sorted((LIBRARY / "models").glob("[!_]*.py"))
RULE_FILES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
PYTHON_FILES = [*ALL_SCRIPTS, *BENCHMARKS, *sorted((ROOT / "tests").glob("*.py"))]

LEARNING = {"torch", "sklearn"}
DRAWERS = {"utils", "util", "helpers", "misc", "tools", "common"}
FILES_AND_MACHINE = {"Input", "Inputs", "Output", "Outputs", "Threads", "Gpu"}
# Here names are data, not options.
TAKE_ANY_NAME = {"write_npz"}
# Read by cuBLAS; the library itself neither reads a variable of the environment nor uses this one.
SET_FOR_OTHERS = {"os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')"}
MAX_ARGUMENTS = 8
MAX_LINES = 400


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def each(paths: list[Path]) -> pytest.MarkDecorator:
    """Run a test once for each of these files, of which there must be some."""
    assert paths
    return pytest.mark.parametrize("path", paths, ids=name_of)


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds))


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)


def imports(path: Path) -> set[str]:
    """Full names of what a file imports; `from a import b` counts as `a` and as `a.b`."""
    names = set()
    for node in nodes(path, ast.Import, ast.ImportFrom):
        assert not getattr(node, "level", 0), f"{name_of(path)} has a relative import"
        if isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        else:
            names |= {alias.name for alias in node.names}
    return names


def module_files(name: str) -> set[Path]:
    """The files that importing a module of the library reads: its own and those of its packages."""
    parts = name.split(".")
    places = [SCRIPTS.joinpath(*parts[: depth + 1]) for depth in range(len(parts))]
    files = {file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")}
    return {file for file in files if file.is_file()}


def closure(path: Path) -> set[str]:
    """Top-level packages that end up imported when a file is, through the library too."""
    seen: set[Path] = set()
    waiting = {path}
    names = set()
    while waiting:
        file = waiting.pop()
        seen.add(file)
        names |= imports(file)
        reached = {
            f for name in imports(file) if name.startswith("v1lib") for f in module_files(name)
        }
        waiting |= reached - seen
    return {name.split(".")[0] for name in names}


@each(DRAWING)
def test_figures_and_tables_do_not_load_what_trains(path):
    assert not closure(path) & LEARNING


@each(MODELS)
def test_the_models_of_a_paper_do_not_import_those_of_another(path):
    others = {f"v1lib.models.{other.stem}" for other in MODELS if other != path}
    assert not imports(path) & others


@each(STEPS)
def test_steps_do_not_import_each_other(path):
    names = {".".join(step.relative_to(SCRIPTS).with_suffix("").parts) for step in STEPS}
    assert not imports(path) & names


@each(LIBRARY_FILES)
def test_the_library_knows_neither_workflow_nor_environment(path):
    assert not {name.split(".")[0] for name in imports(path)} & {"snakemake", "yaml"}
    attributes = [ast.unparse(node) for node in nodes(path, ast.Attribute)]
    for _ in (node for node in nodes(path, ast.Expr) if ast.unparse(node) in SET_FOR_OTHERS):
        attributes.remove("os.environ")
    assert not set(attributes) & {"os.environ", "os.getenv", "os.environb", "Path.cwd", "Path.home"}
    texts = {node.value for node in nodes(path, ast.Constant) if isinstance(node.value, str)}
    assert not [text for text in texts if text.startswith(("results/", "logs/", "config."))]


@each(RULE_FILES)
def test_planning_loads_nothing_heavy(path):
    """Rule files are not Python, so only their lines that begin like an import are read."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    statements = [
        line for line in lines if line.startswith(("import ", "from ")) and ":" not in line
    ]
    modules = {statement.split()[1].split(".")[0] for statement in statements}
    assert modules <= set(sys.stdlib_module_names) | {"snakemake", "yaml", "jsonschema"}


@each(PYTHON_FILES)
def test_imports_need_no_tricks(path):
    assert not [node for node in nodes(path, ast.ImportFrom) if node.names[0].name == "*"]
    assert "sys.path" not in {ast.unparse(node) for node in nodes(path, ast.Attribute)}
    assert path.stem not in DRAWERS


@each(ALL_SCRIPTS)
def test_what_a_step_needs_is_missed_at_its_start(path):
    """Only reading a table may wait with its import, so that files without tables stay light."""
    inner = {
        ast.unparse(node)
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert inner <= {"import pandas as pd"}


@each([path for path in ALL_SCRIPTS if path.stem != "__main__"])
def test_importing_a_file_does_no_work(path):
    """At the top level stand a docstring, imports, definitions and constants."""
    plain = (
        ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
    )
    work = [
        ast.unparse(node)
        for node in ast.parse(path.read_text()).body
        if not isinstance(node, plain) and not _is_docstring(node) and not _only_imports(node)
    ]
    assert not work


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _only_imports(node: ast.stmt) -> bool:
    """Whether a statement imports under a condition: for types only, or if it is installed."""
    return isinstance(node, ast.If | ast.Try) and all(
        isinstance(inner, ast.Import | ast.ImportFrom) for inner in node.body
    )


@each(ALL_SCRIPTS)
def test_signatures_stay_readable(path):
    """Few arguments, and no way to swallow a misspelt one. The files of a step do not count."""
    for function in _outer_functions(path):
        given = function.args
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        if path in STEPS and function.name == "main":
            arguments = [a for a in arguments if ast.unparse(a.annotation) not in FILES_AND_MACHINE]
        names = [a.arg for a in arguments if a.arg not in ("self", "cls")]
        assert len(names) <= MAX_ARGUMENTS, f"{function.name} takes {len(names)} arguments"
        assert given.kwarg is None or function.name in TAKE_ANY_NAME, f"{function.name} takes **"


def _outer_functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Functions and methods, without those inside them (compiled kernels take plain arrays)."""
    tree = ast.parse(path.read_text())
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for body in (tree.body, *(node.body for node in classes)):
        yield from (node for node in body if isinstance(node, ast.FunctionDef))


@each(PYTHON_FILES)
def test_files_stay_readable(path):
    assert len(path.read_text().splitlines()) < MAX_LINES


@each(STEPS)
def test_a_step_has_a_described_main_with_named_arguments(path):
    (main,) = (node for node in functions(path) if node.name == "main")
    assert ast.get_docstring(main)
    assert not main.args.args and not main.args.posonlyargs
    assert all(argument.annotation for argument in main.args.kwonlyargs)
