# The configuration: model entries made whole, then everything checked before any job starts.
import ast
import os
import re
import sys
from copy import deepcopy
from math import prod
from pathlib import Path

import jsonschema
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

BASE = Path(workflow.basedir)
CURVES = (
    *("fig3", "fig4", "fig5", "ablation", "readout_positions"),
    *("single", "composites", "adversarial", "finetuned"),
)


def whole_entry(section, name, entries, chain=()):
    """An entry of a section with everything it takes from the entry named by its key `like`."""
    if name in chain:
        raise WorkflowError(f"{section}: {' -> '.join([*chain, name])} take from each other")
    own = dict(entries[name])
    parent = own.pop("like", None)
    if parent is None:
        return own
    if parent not in entries:
        raise WorkflowError(f"{section}.{name}.like: {parent!r} is no entry of {section}")
    entry = deepcopy(whole_entry(section, parent, entries, (*chain, name)))
    update_config(entry, own)
    return entry


def builder_arguments(build):
    """Keyword arguments of the function of v1lib/models that `build` names; None without one."""
    file, _, function = build.partition(".")
    path = BASE / "scripts" / "v1lib" / "models" / f"{file}.py"
    if not path.is_file():
        return None
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return {argument.arg for argument in node.args.kwonlyargs}
    return None


def mistakes_in_models(models):
    for name, entry in models.items():
        where = f"models.{name}"
        expected = builder_arguments(entry["build"])
        if expected is None:
            yield f"{where}.build: {entry['build']!r} names no function of v1lib/models"
            continue
        given = set(entry["params"])
        for key in sorted(given - expected):
            yield f"{where}.params.{key}: not a parameter of {entry['build']}; it has {sorted(expected)}"
        for key in sorted(expected - given):
            yield f"{where}.params.{key}: missing; {entry['build']} needs it"


def points_of_grid(model):
    """Combinations of a grid of experiments; 1 without."""
    axes = model.get("search", {}).get("grid", [])
    return prod(len(axis["values"]) for axis in axes)


def leaves(place, entry):
    """Places and values at the ends of nested sections."""
    if not isinstance(entry, dict):
        yield place, entry
        return
    for key, value in entry.items():
        yield from leaves(f"{place}.{key}", value)


def mistakes_in_curves(paper, entry, settings):
    """Sections that name models by label: figures, and groups of networks."""
    for section in CURVES:
        for place, model in leaves(f"papers.{paper}.{section}", entry.get(section, {})):
            if model not in settings["models"]:
                yield f"{place}: {model!r} is no model"
    for name, variant in entry.get("variants", {}).items():
        for key in ("scan", "matched"):
            if variant[key] not in settings["datasets"]:
                yield f"papers.{paper}.variants.{name}.{key}: {variant[key]!r} is no data set"


def unknown(place, value, kind, allowed):
    """The mistake that a value is none of some names, if so."""
    if value not in allowed:
        yield f"{place}: {value!r} is no {kind}; there are {sorted(allowed)}"


def mistakes_in_names(settings):
    """Data sets and sources that are named outside the entries of data sets, models and runs."""
    datasets = settings["datasets"]
    read_by = {name: entry["preprocess"] for name, entry in datasets.items()}
    recordings = [name for name in read_by if read_by[name] in ("kindel2019", "cadena2019")]
    labelled = [name for name in read_by if read_by[name] in ("images", "corruptions")]
    with_files = [name for name, entry in settings["sources"].items() if "files" in entry]
    for paper, entry in settings["papers"].items():
        where = f"papers.{paper}"
        for key in entry:
            if key == "dataset" or key.endswith("_dataset"):
                yield from unknown(f"{where}.{key}", entry[key], "data set", datasets)
        if "corrupted" in entry:
            kind = "data set of labelled images"
            yield from unknown(f"{where}.corrupted", entry["corrupted"], kind, labelled)
        if "alexnet" in entry:
            place, source = f"{where}.alexnet.source", entry["alexnet"]["source"]
            yield from unknown(place, source, "source with files", with_files)
    place = "evaluation.v1.neurons.dataset"
    neurons = settings["evaluation"]["v1"]["neurons"]["dataset"]
    yield from unknown(place, neurons, "data set of one recording", recordings)
    place = "evaluation.v1.cells.dataset"
    if (name := settings["evaluation"]["v1"]["cells"]["dataset"]) in datasets:
        yield f"{place}: {name!r} is a data set; these cells need a name of their own"


def mistakes_in_finetuned(paper, entry):
    """Fine-tuned networks: trained by a run, and labelled as what they started from."""
    where = f"papers.{paper}.finetuned"
    if entry.get("robustness_of") == "finetuned" and not entry["finetuned"]:
        yield f"{where}: none, but papers.{paper}.robustness_of is finetuned; name one or write trained"
    trained = {model for run in entry["runs"].values() for model in run["models"]}
    labels = [
        *(label for section in ("single", "composites") for label in entry.get(section, {})),
        *(f"{label}, adversarial" for label in entry.get("adversarial", {})),
    ]
    for label, model in entry.get("finetuned", {}).items():
        yield from unknown(where, label, "label of a network", labels)
        if model not in trained:
            yield f"{where}.{label}: {model!r} is in none of papers.{paper}.runs"


def mistakes_in_references(settings):
    for name, dataset in settings["datasets"].items():
        if dataset["source"] not in settings["sources"]:
            yield f"datasets.{name}.source: {dataset['source']!r} is no source; there are {sorted(settings['sources'])}"
    for name, model in settings["models"].items():
        for source in model.get("requires", []):
            if source not in settings["sources"]:
                yield f"models.{name}.requires: {source!r} is no source"
        for key in ("core", "tuned_by"):
            other = model.get(key) or {}
            for section in {"dataset", "model", "source"} & set(other):
                if other[section] not in settings[f"{section}s"]:
                    yield f"models.{name}.{key}.{section}: {other[section]!r} is no {section}"
        if model["method"] == "published" and not archives_of(settings, model):
            yield f"models.{name}.archive: {model.get('archive')!r} is no file of a source under requires"
    for paper, entry in settings["papers"].items():
        for name, run in entry["runs"].items():
            where = f"papers.{paper}.runs.{name}"
            if run["dataset"] not in settings["datasets"]:
                yield f"{where}.dataset: {run['dataset']!r} is no data set; there are {sorted(settings['datasets'])}"
            for model in run["models"]:
                if model not in settings["models"]:
                    yield f"{where}.models: {model!r} is no model; there are {sorted(settings['models'])}"
                size = seeds_per_job(settings, model)
                if run["seeds"] % size:
                    yield f"{where}.seeds: {run['seeds']} is no multiple of compute.seeds_per_job of {model} ({size})"
                n_points = points_of_grid(settings["models"].get(model, {}))
                if run["seeds"] % n_points:
                    yield f"{where}.seeds: {run['seeds']} is no multiple of the {n_points} points of the grid of {model}"
        counted = entry.get("readout_parameters", {"readouts": {}})
        for key, model in [("model", counted.get("model")), *counted["readouts"].items()]:
            if isinstance(model, str) and model not in settings["models"]:
                yield f"papers.{paper}.readout_parameters: {key}: {model!r} is no model"
        yield from mistakes_in_curves(paper, entry, settings)
        yield from mistakes_in_finetuned(paper, entry)
        trained = {model for run in entry["runs"].values() for model in run["models"]}
        planted = {
            model
            for run in entry["runs"].values()
            if run["dataset"] == entry.get("recovery_dataset")
            for model in run["models"]
        }
        for section in ("roles", "baselines"):
            for role, model in entry.get(section, {}).items():
                if model not in trained:
                    yield f"papers.{paper}.{section}.{role}: {model!r} is in none of papers.{paper}.runs"
        for role, model in entry.get("recovery_roles", {}).items():
            if model not in planted:
                yield f"papers.{paper}.recovery_roles.{role}: {model!r} is in none of papers.{paper}.runs on recovery_dataset"


def mistakes_in_groups(settings):
    """Groups of models that share jobs: a model is in one of them, and needs none of the others."""
    place, groups = "compute.together", settings["compute"]["together"]
    trained = {}  # models by data set
    for paper in settings["papers"].values():
        for run in paper["runs"].values():
            trained.setdefault(run["dataset"], set()).update(run["models"])
    named = [model for members in groups.values() for model in members]
    for group, members in groups.items():
        if group in settings["models"]:
            yield f"{place}.{group}: a model is called so; the group needs a name of its own"
        if not any(models.issuperset(members) for models in trained.values()):
            yield f"{place}.{group}: there is no data set that runs train all of {members} on"
        for model in members:
            yield from unknown(f"{place}.{group}", model, "model", settings["models"])
            for key in ("core", "tuned_by"):
                needed = (settings["models"].get(model, {}).get(key) or {}).get("model")
                if needed in members:
                    yield f"{place}.{group}: {model!r} waits for {needed!r} ({key}), so they cannot share a job"
    for model in dict.fromkeys(model for model in named if named.count(model) > 1):
        yield f"{place}: {model!r} is in several groups"


def archives_of(settings, model):
    """The places of a published model's archive: one, unless the entry is wrong."""
    return [
        f"data/raw/{source}/{model['archive']}"
        for source in model.get("requires", [])
        if model.get("archive") in settings["sources"].get(source, {}).get("files", {})
    ]


def seeds_per_job(settings, model):
    sizes = settings["compute"]["seeds_per_job"]
    return sizes.get(model, sizes["default"])


def explained(error):
    """Where a mistake is, what it is, and what to write instead where that is known."""
    place = ".".join(map(str, error.absolute_path)) or "top level"
    hint = ""
    if error.validator == "type" and re.fullmatch(r"[-+.\d]+e[-+\d]+", str(error.instance)):
        hint = "; YAML reads this as text, write a point and a sign as in 1.0e+5"
    if error.validator == "additionalProperties" and "properties" in error.schema:
        hint = f"; allowed are {', '.join(sorted(error.schema['properties']))}"
    return f"{place}: {error.message}{hint}"


def checked(settings):
    """The configuration, whole; or one error that lists every mistake in it."""
    schema = yaml.safe_load((BASE / "config.schema.yaml").read_text())
    errors = jsonschema.Draft202012Validator(schema).iter_errors(settings)
    mistakes = sorted(explained(error) for error in errors)
    if not mistakes:
        for section in ("datasets", "models"):
            entries = settings[section]
            settings[section] = {name: whole_entry(section, name, entries) for name in entries}
        mistakes = [
            *mistakes_in_models(settings["models"]),
            *mistakes_in_references(settings),
            *mistakes_in_names(settings),
            *mistakes_in_groups(settings),
        ]
    if mistakes:
        listed = "\n".join(f"  - {mistake}" for mistake in mistakes)
        raise WorkflowError(f"The configuration has {len(mistakes)} mistake(s):\n{listed}")
    return settings


config = checked(config)
