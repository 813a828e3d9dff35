"""Model entries of config.yaml, whole, as the workflow trains them; for tests and benchmarks."""

import ast
from copy import deepcopy
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "rules" / "configuration.smk"
SETTINGS = yaml.safe_load((ROOT / "config.yaml").read_text())
POGONCHEFF = "pogoncheff2023_"


def whole_models():
    """All model entries by name, with what they take from others (`like`)."""
    whole_entry = _function_of_rules("whole_entry")
    models = SETTINGS["models"]
    return {name: whole_entry("models", name, models) for name in models}


def pogoncheff_networks():
    """Arguments of ``v1lib.models.pogoncheff2023.resnet`` for the networks trained from scratch.

    By name of the model without that of the paper, in the order of the configuration.
    """
    trained = SETTINGS["papers"]["pogoncheff2023"]["runs"]["train"]["models"]
    models = whole_models()
    return {name.removeprefix(POGONCHEFF): models[name]["params"] for name in trained}


def _function_of_rules(name):
    """A function of the rule file that makes the configuration whole, which is no module."""
    nodes = ast.parse(RULES.read_text()).body
    (node,) = (n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == name)
    names = {"deepcopy": deepcopy, "update_config": update_config, "WorkflowError": WorkflowError}
    exec(compile(ast.Module([node], []), RULES, "exec"), names)
    return names[name]
