"""Made-up results of Pogoncheff et al. 2023: scores, predictivities, accuracies, histories."""

import numpy as np
import pandas as pd

from v1lib.files import write_csv
from v1lib.pogoncheff2023_tables import FAMILIES, GROUPS

IN_FULL = dict(zip(GROUPS, (7, 3, 4, 2, 1, 2, 3), strict=True))  # properties of each group
PUBLIC = IN_FULL | {"response_selectivity": 1, "texture_modulation": 0, "response_magnitude": 1}
SINGLE = {
    "ResNet-50": "pogoncheff2023_resnet50",
    "center-surround": "pogoncheff2023_center_surround",
    "center-surround, antagonistic": "pogoncheff2023_center_surround_antagonistic",
    "local receptive fields": "pogoncheff2023_local_rf",
    "divisive normalization, untuned": "pogoncheff2023_div_norm",
    "divisive normalization, tuned": "pogoncheff2023_tuned_norm",
    "cortical magnification": "pogoncheff2023_cortical_magnification",
}
COMPOSITES = {f"composite {name}": f"pogoncheff2023_composite_{name.lower()}" for name in "ABCDEFG"}
ADVERSARIAL = {
    "ResNet-50": {
        "normal": "pogoncheff2023_resnet50",
        "adversarial": "pogoncheff2023_resnet50_adversarial",
    },
    "composite A": {
        "normal": "pogoncheff2023_composite_a",
        "adversarial": "pogoncheff2023_composite_a_adversarial",
    },
}
_DOG = {"share": 0.25, "kernel": 5, "form": "released", "norm": "place"}
_LOCAL, _POLAR = {"block": 2, "dropout": 0.0}, {"n_angles": 30}
_TWO_DOGS = _DOG | {"blocks": [0, 1], "kaiming": True}
_THREE_DOGS = _DOG | {"blocks": [0, 1, 2], "kaiming": False}


def settings(surround=None, fields=None, normalization=None, magnification=None):
    return {
        **{"blocks": [3, 1, 1, 1], "width": 16, "center_surround": surround, "frozen": False},
        **{"local_fields": fields, "normalization": normalization, "magnification": magnification},
    }


NETWORKS = {
    "ResNet-50": settings(),
    "center-surround": settings(_THREE_DOGS),
    "center-surround, antagonistic": settings(_THREE_DOGS | {"form": "antagonistic"}),
    "local receptive fields": settings(fields=_LOCAL | {"dropout": 0.5}),
    "divisive normalization, untuned": settings(normalization="untuned"),
    "divisive normalization, tuned": settings(normalization="tuned"),
    "cortical magnification": settings(magnification=_POLAR),
    "composite A": settings(_TWO_DOGS, _LOCAL, "tuned", _POLAR),
    "composite B": settings(None, _LOCAL, "tuned", _POLAR),
    "composite C": settings(_TWO_DOGS, _LOCAL, None, _POLAR),
    "composite D": settings(_TWO_DOGS, _LOCAL, "tuned", None),
    "composite E": settings(None, None, "tuned", _POLAR),
    "composite F": settings(None, _LOCAL, None, _POLAR),
    "composite G": settings(None, _LOCAL, "tuned", None),
}


def scores(model, levels, *, properties=PUBLIC, kind="real", dataset="pictures", n_units_of=None):
    """A table of scores: every group of a seed has its level, so the property score has it too.

    A level of NaN is that of a network without units; ``n_units_of`` says how many others have.
    """
    tables = []
    for seed, level in enumerate(levels):
        groups = [
            {"level": "group", "group": name, "score": level}
            | {"n_properties": n, "of_properties": IN_FULL[name]}
            for name, n in properties.items()
            if n
        ]
        counts = {"n_properties": sum(properties.values()), "of_properties": 22}
        overall = {"level": "all", "score": level, "property": "v1_property_score"} | counts
        single = {"level": "property", "group": "orientation", "property": "bandwidth"}
        n_units = 0 if np.isnan(level) else 100 + seed if n_units_of is None else n_units_of[seed]
        single |= {"score": level, "raw": level * 0.964, "ceiling": 0.966}
        single |= {"n_units": n_units, "n_values": n_units}
        single |= {"n_properties": 1, "of_properties": 1}
        table = pd.DataFrame([single, *groups, overall])
        tables.append(table.assign(seed=seed))
    about = {"dataset": dataset, "model": model, "source_kind": kind}
    return pd.concat(tables, ignore_index=True).assign(**about)


def scattered_scores(model, level, *, n_seeds=3, **more):
    """Scores whose groups scatter around a level."""
    rng = np.random.default_rng(len(model))
    table = scores(model, [level] * n_seeds, **more)
    is_group = table["level"] == "group"
    names = sorted(table.loc[is_group, "group"].unique())
    shift = dict(zip(names, rng.normal(0, 0.08, len(names)), strict=True))
    scatter = rng.normal(0, 0.012, len(table))
    table["score"] += scatter + table["group"].map(shift).fillna(0).where(is_group, 0)
    return table


def predictivity(model, levels, *, kind="real", dataset="pictures"):
    """Predictivity of each seed; ``kind`` is that of the neurons."""
    table = pd.DataFrame({"seed": range(len(levels)), "predictivity": levels})
    table["predictivity_2026"] = 0.9 * table["predictivity"]
    about = {"dataset": "neurons", "trained_on": dataset, "model": model, "source_kind": kind}
    return table.assign(**about)


def accuracies(model, clean, *, falls, kind="real", generated=True, dataset="pictures"):
    """Top-1 of seeds with these clean accuracies.

    Each severity of a family costs ``falls[family]`` of what is left.
    """
    rows = []
    for seed, level in enumerate(clean):
        rows.append({"seed": seed, "corruption": "", "severity": 0, "top1": level})
        for family, corruptions in FAMILIES.items():
            for corruption in corruptions:
                for severity in range(1, 6):
                    left = level * (1 - falls[family]) ** severity
                    row = {"seed": seed, "corruption": corruption, "severity": severity}
                    rows.append(row | {"top1": left})
    table = pd.DataFrame(rows).assign(generated=generated, n_images=100)
    table["evaluated_on"] = np.where(table["corruption"] == "", dataset, f"{dataset}_corrupted")
    return table.assign(dataset=dataset, model=model, source_kind=kind)


def history(model, curves, *, kind="real", dataset="pictures"):
    """Validation accuracies [epochs + 1] of each seed, the first before training; 7 steps each."""
    tables = []
    for seed, curve in enumerate(curves):
        table = pd.DataFrame({"step": 7 * np.arange(len(curve)) - 1, "validation_accuracy": curve})
        tables.append(table.assign(seed=seed))
    about = {"dataset": dataset, "model": model, "source_kind": kind, "session": "all"}
    return pd.concat(tables, ignore_index=True).assign(**about)


def written(folder, name, tables):
    """Files of tables, one each, in a folder."""
    paths = [folder / f"{name}{number}.csv" for number in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        write_csv(table, path)
    return paths
