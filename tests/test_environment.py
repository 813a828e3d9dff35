"""The pinned packages: one version everywhere, and everything that is imported is pinned."""

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]

# conda's name of a package, where pip's is another.
PIP_NAMES = {
    "pytorch": "torch",
    "matplotlib-base": "matplotlib",
    "snakemake-minimal": "snakemake",
}
# To start the workflow and for its report.
NOT_FOR_STEPS = {"snakemake", "pygments"}
# The name to import, where the package's is another.
IMPORT_NAMES = {"scikit-learn": "sklearn", "pyyaml": "yaml", "pillow": "PIL"}


def pip_pins() -> dict[str, str]:
    """Version by package of requirements.txt; every line must be an exact one."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    loose = [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)]
    assert not loose
    return dict(pin.split("==") for pin in pins)


def conda_pins() -> dict[str, str]:
    """Version by package of envs/v1.yaml, under pip's names and without Python itself."""
    environment = yaml.safe_load((ROOT / "envs/v1.yaml").read_text())
    pins = dict(entry.split("=") for entry in environment["dependencies"])
    del pins["python"]
    return {PIP_NAMES.get(name, name): version for name, version in pins.items()}


def imported_by_steps() -> set[str]:
    """Names of the packages, other than the standard library, that scripts/ imports anywhere."""
    files = (ROOT / "scripts").rglob("*.py")
    names = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    return names - {"v1lib"} - sys.stdlib_module_names


def test_conda_and_pip_agree():
    pip = pip_pins()
    conda = conda_pins()
    assert conda == {name: pip.get(name) for name in conda}


def test_both_hold_what_the_steps_import_and_conda_nothing_else():
    for_steps = conda_pins().keys() - NOT_FOR_STEPS
    assert imported_by_steps() == {IMPORT_NAMES.get(name, name) for name in for_steps}


def test_the_installed_packages_are_the_pinned_ones():
    pins = pip_pins()
    installed = {name: importlib.metadata.version(name).split("+")[0] for name in pins}
    assert installed == pins


def test_requirements_are_complete():
    """Nothing that a pinned package always needs is left to chance (markers are for extras and,
    in a CUDA build of torch, for libraries that it pins itself).
    """
    pins = {_normal(name) for name in pip_pins()}
    needed = set()
    for name in pins:
        for requirement in importlib.metadata.requires(name) or []:
            if ";" not in requirement:
                needed.add(_normal(re.match(r"[\w.-]+", requirement)[0]))
    assert needed <= pins


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
