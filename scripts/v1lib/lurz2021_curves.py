"""Curves of Lurz et al. 2021: a score against the number of training images, over replicates.

As the authors plot them (ICLR_plots.ipynb): mean over replicates and the 95 % bootstrap interval of
that mean. Where several initialisations were trained, either all of them count, or of each
replicate the one with the highest score on the validation trials, never on the test images.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.files import read_csv
from v1lib.population_scores import POPULATION_COLUMNS
from v1lib.score_files import read_records
from v1lib.statistics import bootstrap_interval

RUN = ["dataset", "model", "seed"]
POINT = ["dataset", "model", "images", "neurons"]
_OF_POINT = [*POINT, "total_images", "n_scans", "source_kind"]
SELECTED_BY = ("validation", "correlation_to_trials")
REDUCTIONS = ("all", "best")  # initialisations: every one, or the best of a replicate by validation
CURVE_COLUMNS = (
    *("dataset", "label", "model", "images", "total_images", "neurons", "n_scans"),
    *("mean", "low", "high", "n", "n_replicates", "reduction", "source_kind"),
)


def read_scored_runs(paths: Sequence[Path], score: str) -> pd.DataFrame:
    """One row per run of several models, with its test score and what it is selected by.

    Args:
        paths: population_scores.csv of each model.
        score: metric of the test images, such as ``fraction_oracle``.

    Returns:
        dataset, model, seed, images and neurons (per scan), total_images (of all scans), n_scans,
        replicate, initialisation, n_neurons, validation, value, source_kind. Runs without a value
        are left out.

    Raises:
        ValueError: a file lacks a column, a model lacks the score on the test images or the
            correlation on the validation trials, or a run appears twice.
    """
    tables = [read_csv(path, required=POPULATION_COLUMNS) for path in paths]
    if not tables:
        return pd.DataFrame(columns=[*POPULATION_COLUMNS, "total_images", "validation"])
    scores = pd.concat(tables, ignore_index=True)
    wanted = {"value": ("test", score), "validation": SELECTED_BY}
    parts = {name: _of_metric(scores, *place, paths=paths) for name, place in wanted.items()}
    validation = parts["validation"][[*RUN, "value"]].rename(columns={"value": "validation"})
    runs = parts["value"].merge(validation, on=RUN, how="left")
    runs = runs.dropna(subset=["value"]).drop(columns=["split", "metric"])
    return _with_totals(runs.reset_index(drop=True))


def _with_totals(runs: pd.DataFrame) -> pd.DataFrame:
    """Images are a mean over scans, which may differ, so that their sum is rounded."""
    return runs.assign(total_images=(runs["images"] * runs["n_scans"]).round().astype(int))


def at_images_of_core(runs: pd.DataFrame, records: Sequence[Path]) -> pd.DataFrame:
    """The runs of transferred cores at the number of images that their *core* was trained on.

    Such a curve ("diff-core/best-readout" of Fig. 4) draws the core's number of images; its readout
    has all of them.

    Args:
        runs: rows of ``read_scored_runs``.
        records: run.json of all blocks of the models that are moved; the draw names the images of
            the core, or says null for all. Without records nothing is moved.

    Raises:
        ValueError: a run has no record.
    """
    if not records:
        return runs
    moved = read_records(records)
    moved["of_core"] = [draw.get("images") for draw in moved["draw"]]
    found = runs.merge(moved[[*RUN, "of_core"]], on=RUN, how="left", indicator="found")
    unknown = found["model"].isin(moved["model"]) & (found["found"] == "left_only")
    if unknown.any():
        run = found.loc[unknown, RUN].iloc[0].to_dict()
        raise ValueError(f"run {run} is in none of the records {list(map(str, records))}")
    of_core = found["of_core"].to_numpy(dtype=float, na_value=np.nan)
    images = np.where(np.isnan(of_core), runs["images"], of_core)
    return _with_totals(runs.assign(images=images))


def _of_metric(
    scores: pd.DataFrame, split: str, metric: str, *, paths: Sequence[Path]
) -> pd.DataFrame:
    rows = scores[(scores["split"] == split) & (scores["metric"] == metric)]
    missing = sorted(set(scores["model"]) - set(rows["model"]))
    if missing:
        raise ValueError(
            f"model {missing[0]!r} has no {metric} of the {split} images in "
            f"{[str(path) for path in paths]}"
        )
    if rows.duplicated(RUN).any():
        twice = rows.loc[rows.duplicated(RUN), RUN].iloc[0].to_dict()
        raise ValueError(f"a run appears twice: {twice}; each model's scores belong in one file")
    return rows


def reduced(runs: pd.DataFrame, reduction: str) -> pd.DataFrame:
    """The runs that count: all, or of each replicate the best initialisation by validation.

    Args:
        runs: rows of ``read_scored_runs``.
        reduction: one of ``REDUCTIONS``. Of equal initialisations the first is taken; one without a
            validation score only where no other has one.

    Raises:
        ValueError: unknown reduction.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}, allowed: {', '.join(REDUCTIONS)}")
    if reduction == "all":
        return runs
    ordered = runs.sort_values(
        ["validation", "initialisation"], ascending=[False, True], kind="stable", na_position="last"
    )
    return ordered.drop_duplicates([*POINT, "replicate"]).sort_index()


def curves(
    runs: pd.DataFrame,
    models: Mapping[str, str],
    *,
    seed: int,
    unreduced: Sequence[str] = (),
) -> pd.DataFrame:
    """Mean and 95 % bootstrap interval of each point of each curve.

    Args:
        runs: rows of ``read_scored_runs``.
        models: model of each curve by its label; labels without runs give no rows.
        seed: of the bootstrap.
        unreduced: labels of curves whose initialisations all count; of the others the best.

    Returns:
        Rows of ``CURVE_COLUMNS`` in the order of ``models``, then by neurons and images; ``n`` is
        the number of runs that count. The interval is empty for a single run.
    """
    rows = []
    for label, model in models.items():
        reduction = "all" if label in unreduced else "best"
        counted = reduced(runs[runs["model"] == model], reduction)
        for point, values in counted.groupby(_OF_POINT, sort=True):
            interval = bootstrap_interval(values["value"], seed=seed)
            row = dict(zip(_OF_POINT, point, strict=True))
            row |= {"label": label, "reduction": reduction, "mean": values["value"].mean()}
            row |= {"low": interval.low, "high": interval.high, "n": len(values)}
            rows.append(row | {"n_replicates": values["replicate"].nunique()})
    table = pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
    order = {label: place for place, label in enumerate(models)}
    return table.sort_values(
        ["label", "neurons", "images"],
        key=lambda column: column.map(order) if column.name == "label" else column,
        ignore_index=True,
    )


def by_replicate(runs: pd.DataFrame, model: str, reduction: str = "best") -> pd.DataFrame:
    """Scores of a model: a row per replicate, a column per number of images (all scans).

    Several initialisations that count are averaged. Of several numbers of neurons the largest is
    taken; cells without a run are NaN.

    Args:
        runs, reduction: as in ``reduced``.
        model: name of a model; without runs the table is empty.
    """
    chosen = runs[runs["model"] == model]
    chosen = reduced(chosen[chosen["neurons"] == chosen["neurons"].max()], reduction)
    return chosen.pivot_table(index="replicate", columns="total_images", values="value")
