"""Results of Pogoncheff et al. 2023 by network and seed, and their means over seeds.

One shape for everything: a row for each network, seed and quantity. A quantity is a score of V1
alignment (reference section 5.1) or an accuracy (section 6). The score over all properties is named
by how many of them it has, so that a part never passes for the whole.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from v1lib.files import read_csv
from v1lib.summaries import summarise

PAPER = "pogoncheff2023"
OVERALL, PREDICTIVITY, PROPERTIES = "overall", "predictivity", "properties"
PREDICTIVITY_2026 = "predictivity_2026"  # another formula for the same
UNITS = "units"
ZEROS = "zeros_without_values"
SIMULATED_NEURONS = " (simulated neurons)"
CLEAN, CORRUPTED, RELATIVE = "clean", "corrupted", "relative"
BEFORE, BEST, LAST = "before", "best", "last"  # accuracies of a training
BEST_EPOCH, N_EPOCHS = "best_epoch", "epochs"
GROUPS = (
    *("orientation", "spatial_frequency", "response_selectivity", "receptive_field_size"),
    *("surround_modulation", "texture_modulation", "response_magnitude"),
)
FAMILIES = {  # Hendrycks & Dietterich 2019
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
VALUE_COLUMNS = ("dataset", "model", "seed", "quantity", "value", "source_kind")
SUMMARY_COLUMNS = (
    *("label", "model", "dataset", "quantity", "mean", "se", "n_seeds"),
    *("n_parts", "of_parts", "neurons", "source_kind"),
)
_OF_NEURONS = (PREDICTIVITY, PREDICTIVITY_2026)
_RUN = ["dataset", "model", "seed", "source_kind"]
_SCORES = (
    *(*_RUN, "level", "group", "score", "n_units", "n_values"),
    *("n_properties", "of_properties"),
)
_ACCURACIES = (*_RUN, "evaluated_on", "corruption", "severity", "top1", "generated")
_HISTORY = (*_RUN, "step", "validation_accuracy")


def alignments(scores: Sequence[Path], predictivities: Sequence[Path]) -> pd.DataFrame:
    """V1 alignment of every run.

    Args:
        scores: tables of the step ``score_v1_properties``.
        predictivities: tables of the step ``predict_neurons``; none without recordings.

    Returns:
        ``VALUE_COLUMNS``, n_parts and of_parts (properties that a score is over, and those that it
        has in full), neurons (data set that predictivity is of; it says if simulated). Quantities:
        groups, ``PROPERTIES``, ``PREDICTIVITY`` (by the formula of 2023) and ``OVERALL``, the mean
        of the two; ``PREDICTIVITY_2026``; ``UNITS``, the largest number of units that a property
        counts for; ``ZEROS``, how many properties score 0 because too few units have a value. A
        run without units has NaN for its scores. Without recorded neurons, only simulated ones,
        there is no overall score.
    """
    table = pd.concat([read_csv(path, required=_SCORES) for path in scores], ignore_index=True)
    # A likeness of exactly 0 takes all units in the farthest bin; here some have no value.
    is_zero = (table["score"] == 0) & (table["n_values"] < table["n_units"])
    runs = table.assign(value=is_zero.astype(float)).groupby(_RUN, as_index=False)
    units = runs["n_units"].max().rename(columns={"n_units": "value"}).assign(quantity=UNITS)
    zeros = runs["value"].sum().assign(quantity=ZEROS)
    table = table[table["level"].isin(["group", "all"])]
    quantity = table["group"].where(table["level"] == "group", PROPERTIES)
    table = table.assign(quantity=quantity, value=table["score"])
    table = table.rename(columns={"n_properties": "n_parts", "of_properties": "of_parts"})
    parts = [table[[*VALUE_COLUMNS, "n_parts", "of_parts"]]]
    parts += [units[list(VALUE_COLUMNS)], zeros[list(VALUE_COLUMNS)]]
    if predictivities:
        predicted = pd.concat([_predictivity(path) for path in predictivities], ignore_index=True)
        properties = parts[0][parts[0]["quantity"] == PROPERTIES]
        both = properties.merge(predicted, on=["dataset", "model", "seed"])
        kind = both["source_kind"].where(both["neurons_kind"] == "real", "simulated")
        aside = both["neurons_kind"].map({"real": "", "simulated": SIMULATED_NEURONS})
        both = both.assign(neurons=both["neurons"] + aside)
        alone = both.assign(source_kind=kind).drop(columns=["n_parts", "of_parts"])
        of_both = both[both["neurons_kind"] == "real"]
        mean = (of_both["value"] + of_both["predictivity"]) / 2
        parts.append(of_both.assign(quantity=OVERALL, value=mean))
        for name in _OF_NEURONS:
            parts.append(alone.assign(quantity=name, value=alone[name]))
    columns = [*VALUE_COLUMNS, "n_parts", "of_parts", "neurons"]
    return _once(pd.concat(parts, ignore_index=True).reindex(columns=columns))


def _predictivity(path: Path) -> pd.DataFrame:
    """With the data set that the network learned from as ``dataset``, the neurons' beside it."""
    columns = ("dataset", "model", "seed", "trained_on", "source_kind")
    columns = (*columns, *_OF_NEURONS)
    table = read_csv(path, required=columns)[list(columns)]
    names = {"dataset": "neurons", "trained_on": "dataset", "source_kind": "neurons_kind"}
    return table.rename(columns=names)


def read_accuracies(paths: Sequence[Path]) -> pd.DataFrame:
    """Top-1 accuracy of every run on every kind of images, as the step ``score_classifier`` has it.

    Returns:
        Its columns; corruption "" and severity 0 are clean images.

    Raises:
        ValueError: a run has two accuracies for one corruption and severity, because it was
            evaluated on several data sets.
    """
    table = pd.concat([read_csv(path, required=_ACCURACIES) for path in paths], ignore_index=True)
    table["corruption"] = table["corruption"].fillna("")
    twice = table.duplicated([*_RUN, "corruption", "severity"])
    if twice.any():
        row = table[twice].iloc[0]
        raise ValueError(
            f"model {row['model']!r} has two accuracies for {row['corruption'] or CLEAN!r}, "
            f"severity {row['severity']}; evaluate it on one data set"
        )
    return table


def robustness(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on clean and on corrupted images, of every run.

    Args:
        accuracies: rows of ``read_accuracies``.

    Returns:
        ``VALUE_COLUMNS``, n_parts and of_parts (of families: corruptions). Quantities: ``CLEAN``;
        each corruption, averaged over severities; each family, averaged over its corruptions;
        ``CORRUPTED``, the mean over all corruptions and severities; ``RELATIVE``, that over clean.
    """
    rename = {"top1": "value"}
    clean = accuracies[accuracies["corruption"] == ""].rename(columns=rename)
    clean = clean.assign(quantity=CLEAN)
    cells = accuracies[accuracies["corruption"] != ""].rename(columns=rename)
    single = cells.groupby([*_RUN, "corruption"], as_index=False)["value"].mean()
    single = single.rename(columns={"corruption": "quantity"})
    families = single.assign(quantity=single["quantity"].map(family_of))
    families = families.groupby([*_RUN, "quantity"], as_index=False).agg(
        value=("value", "mean"), n_parts=("value", "size")
    )
    families["of_parts"] = families["quantity"].map({k: len(v) for k, v in FAMILIES.items()})
    overall = cells.groupby(_RUN, as_index=False)["value"].mean().assign(quantity=CORRUPTED)
    share = overall.merge(clean[[*_RUN, "value"]], on=_RUN, suffixes=("", "_clean"))
    share = share.assign(quantity=RELATIVE, value=share["value"] / share["value_clean"])
    table = pd.concat([clean, single, families, overall, share], ignore_index=True)
    return _once(table.reindex(columns=[*VALUE_COLUMNS, "n_parts", "of_parts"]))


def family_of(corruption: str) -> str:
    """The family of a corruption.

    Raises:
        ValueError: it is none of the fifteen.
    """
    for family, members in FAMILIES.items():
        if corruption in members:
            return family
    raise ValueError(f"corruption {corruption!r} is in no family: {FAMILIES}")


def severities(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of every run by family and severity; severity 0 (clean) is in each family.

    Returns:
        ``VALUE_COLUMNS`` (quantity: the family) and severity.
    """
    cells = accuracies[accuracies["corruption"] != ""]
    cells = cells.assign(quantity=cells["corruption"].map(family_of), value=cells["top1"])
    key = [*_RUN, "quantity", "severity"]
    corrupted = cells.groupby(key, as_index=False)["value"].mean()
    clean = accuracies[accuracies["corruption"] == ""].assign(severity=0)
    clean = clean.rename(columns={"top1": "value"})[[*_RUN, "severity", "value"]]
    families = [clean.assign(quantity=name) for name in corrupted["quantity"].unique()]
    table = pd.concat([corrupted, *families], ignore_index=True)
    return table[[*VALUE_COLUMNS, "severity"]]


def curves_of_training(histories: Sequence[Path]) -> pd.DataFrame:
    """Validation accuracy after every epoch of every run.

    Args:
        histories: the history.csv of the blocks; a row before training, then one per epoch.

    Returns:
        dataset, model, seed, epoch (0: before training), value, source_kind, in order of epochs.
    """
    table = pd.concat([read_csv(path, required=_HISTORY) for path in histories], ignore_index=True)
    table = table.dropna(subset=["validation_accuracy"]).sort_values([*_RUN, "step"])
    epoch = table.groupby(_RUN).cumcount()
    table = table.assign(epoch=epoch, value=table["validation_accuracy"])
    return table[[*_RUN, "epoch", "value"]].reset_index(drop=True)


def accuracies_of_training(curves: pd.DataFrame) -> pd.DataFrame:
    """Accuracy before training, of the best epoch and of the last one, for every run.

    Args:
        curves: rows of ``curves_of_training``.

    Returns:
        ``VALUE_COLUMNS``; quantities ``BEFORE``, ``BEST``, ``LAST``, ``BEST_EPOCH`` (of equal ones
        the latest, 0 if training made it worse: as the trainer keeps it) and ``N_EPOCHS``.
    """
    rows = []
    for run, curve in curves.groupby(_RUN, sort=False):
        best = curve[curve["value"] == curve["value"].max()].iloc[-1]
        found = {
            BEFORE: curve.loc[curve["epoch"] == 0, "value"].mean(),
            BEST: best["value"],
            LAST: curve["value"].iloc[-1],
            BEST_EPOCH: best["epoch"],
            N_EPOCHS: curve["epoch"].iloc[-1],
        }
        about = dict(zip(_RUN, run, strict=True))
        rows += [about | {"quantity": name, "value": float(value)} for name, value in found.items()]
    return pd.DataFrame(rows, columns=list(VALUE_COLUMNS))


def over_seeds(
    values: pd.DataFrame, models: Mapping[str, str], *, by: Sequence[str] = ()
) -> pd.DataFrame:
    """Mean and standard error over seeds of every quantity.

    Args:
        values: rows of ``VALUE_COLUMNS``, with n_parts and of_parts where they matter.
        models: model by label, in the order wanted.
        by: more columns that tell values apart, such as severity.

    Returns:
        ``SUMMARY_COLUMNS`` and ``by``; se is that of the mean (ddof 1), NaN for a single seed.

    Raises:
        ValueError: a model has no value at all.
    """
    rows = []
    for label, model in models.items():
        own = values[values["model"] == model]
        if own.empty:
            known = sorted(values["model"].unique())
            raise ValueError(f"no values of model {model!r} ({label}); there are {known}")
        for key, cells in own.groupby(["quantity", *by], sort=False):
            summary = summarise(cells["value"], ddof=1)
            about = dict(zip(["quantity", *by], key, strict=True))
            first = cells.iloc[0]
            names = ("model", "dataset", "n_parts", "of_parts", "neurons", "source_kind")
            about |= {name: first[name] for name in names if name in first}
            numbers = {"mean": summary.mean, "se": summary.sem, "n_seeds": summary.n}
            rows.append({"label": label} | about | numbers)
    return pd.DataFrame(rows).reindex(columns=[*SUMMARY_COLUMNS[:-1], *by, "source_kind"])


def alignment_of(values: pd.DataFrame) -> str:
    """The quantity by which V1 alignment is judged.

    ``OVERALL`` if every run with a property score has it, else ``PROPERTIES``. Runs without a score
    of their properties can have neither.
    """
    scored = values[values["value"].notna()]
    overall, properties = ((scored["quantity"] == name).sum() for name in (OVERALL, PROPERTIES))
    return OVERALL if overall and overall == properties else PROPERTIES


def network_kind(values: pd.DataFrame) -> str:
    """Source kind of the images that networks learned from: that of everything but predictivities.

    Raises:
        ValueError: there are both kinds.
    """
    kinds = sorted(values.loc[~values["quantity"].isin(_OF_NEURONS), "source_kind"].unique())
    if len(kinds) != 1:
        raise ValueError(f"networks of one table learned from images of kinds {kinds}")
    return kinds[0]


def _once(values: pd.DataFrame) -> pd.DataFrame:
    twice = values[values.duplicated(["dataset", "model", "seed", "quantity"])]
    if len(twice):
        row = twice.iloc[0]
        raise ValueError(
            f"{row['quantity']} of model {row['model']!r}, seed {row['seed']}, is there twice"
        )
    return values
