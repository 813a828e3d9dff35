"""Score the networks of models that were trained on scans, neuron by neuron and all together."""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from v1lib.growing_table import growing_csv
from v1lib.population_scores import INGREDIENTS, POPULATION_COLUMNS, population_scores
from v1lib.scan_runs import ScanRun, check_all_found, runs_on_scans
from v1lib.scan_scores import ScanScorer, Values
from v1lib.scans import open_scans
from v1lib.score_files import SCORE_COLUMNS
from v1lib.splits import SPLIT_CODES
from v1lib.steps import Input, Inputs, Output, Threads

_OPTIONS = {"fano", "explainable_share"}

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    checkpoints: Inputs,
    runs: Inputs,
    scores: Output,
    population: Output,
    metrics: dict,
    options: dict,
    threads: Threads,
) -> None:
    """From a data set of scans, checkpoints and run records of all blocks of models to scores.

    ``scores`` has the metrics that ``metrics`` names for each split (entries of
    ``v1lib.metrics.METRICS``), per neuron: session is the scan, neuron the column of its responses.
    ``population`` has the numbers of ``v1lib.population_scores`` per run, whatever is asked for.
    ``options``: ``fano`` as in the step score, ``explainable_share`` as in ``population_scores``.
    A run that failed, or predicts what is not finite, has no rows.
    """
    if unknown := sorted(set(metrics) - (set(SPLIT_CODES) - {""})):
        raise ValueError(f"metrics are asked for split {unknown[0]!r}; there are {SPLIT_CODES}")
    if set(options) != _OPTIONS:
        raise ValueError(f"options are {sorted(options)}, expected {sorted(_OPTIONS)}")
    torch.set_num_threads(threads)
    scans = open_scans(recording)
    wanted = _with_ingredients(metrics)
    scorers = {name: ScanScorer(scan, wanted, fano=options["fano"]) for name, scan in scans.items()}
    scored = set()
    with (
        growing_csv(scores, SCORE_COLUMNS) as add_neurons,
        growing_csv(population, POPULATION_COLUMNS) as add_population,
    ):
        for run in runs_on_scans(checkpoints, runs, scans):
            found = _of_run(run, scorers)
            if found is None:
                continue
            for name, values in found.items():
                columns = run.trained.parts[name].neuron_index
                add_neurons(_rows(values, columns, metrics).assign(session=name, **run.facts))
            table = _pooled(list(found.values()), options["explainable_share"])
            add_population(table.assign(**run.facts))
            _report(run, table)
            scored.add(run.facts["model"])
        check_all_found(runs, scored)


def _with_ingredients(metrics: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Metrics by split: those asked for, and those that the population's scores are made of."""
    splits = dict.fromkeys([*metrics, *INGREDIENTS])
    return {
        split: list(dict.fromkeys([*metrics.get(split, ()), *INGREDIENTS.get(split, ())]))
        for split in splits
    }


def _of_run(run: ScanRun, scorers: Mapping[str, ScanScorer]) -> dict[str, Values] | None:
    """Metrics of one network by scan; None if it failed."""
    found = {}
    for name in run.trained.parts:
        values = scorers[name].values(run.trained)
        if values is None:
            log.warning(
                "seed %d, scan %s: predictions that are not finite; counts as failed",
                *(run.trained.seed, name),
            )
            return None
        found[name] = values
    return found


def _rows(values: Values, columns: np.ndarray, metrics: Mapping[str, list[str]]) -> pd.DataFrame:
    tables = []
    for split, names in metrics.items():
        wide = pd.DataFrame({"neuron": columns} | {name: values[split][name] for name in names})
        rows = wide.melt(id_vars="neuron", var_name="metric", value_name="value")
        tables.append(rows.sort_values(["neuron", "metric"], kind="stable").assign(split=split))
    return pd.concat(tables, ignore_index=True)


def _pooled(by_scan: list[Values], explainable_share: float) -> pd.DataFrame:
    pooled = {
        split: {name: np.concatenate([values[split][name] for values in by_scan]) for name in names}
        for split, names in INGREDIENTS.items()
    }
    return pd.DataFrame(population_scores(pooled, explainable_share=explainable_share))


def _report(run: ScanRun, table: pd.DataFrame) -> None:
    value = table.set_index(["split", "metric"])["value"]
    log.info(
        "%s, seed %d (%s images, %s neurons of %d scans): validation correlation %.4f, "
        "fraction oracle %.4f, of %.4f",
        *(run.facts[key] for key in ("model", "seed", "images", "neurons", "n_scans")),
        value["validation", "correlation_to_trials"],
        value["test", "fraction_oracle"],
        value["test", "oracle_correlation"],
    )
