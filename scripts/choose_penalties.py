"""Choose the penalty of the readout for every point of a grid, by the validation images."""

import logging
import math
from collections.abc import Mapping

import pandas as pd

from v1lib.files import read_csv, read_json, write_csv, write_json
from v1lib.penalties import KEY
from v1lib.population_scores import POPULATION_COLUMNS
from v1lib.steps import Input, Inputs, Output

_REPEATS = ("replicate", "initialisation")
_CRITERION = {"split": "validation", "metric": "correlation_to_trials"}

log = logging.getLogger(__name__)


def main(*, population: Input, runs: Inputs, chosen: Output, candidates: Output) -> None:
    """From the scores and run records of a search to the best penalty for each combination.

    The grid of the search has an axis named penalty. For each combination of its other values the
    penalty with the highest correlation with single validation trials is chosen, on average over
    replicates and initialisations; of equal ones the smallest.

    ``population`` may have other models too. ``chosen`` is a JSON list of entries such as
    ``{"images": 50, "neurons": null, "penalty": 31}`` with the names and values of the grid.
    ``candidates`` has a row for each combination and penalty: validation_correlation, mean over
    n_runs runs (n_failed others failed), is_chosen, and at_edge for a chosen one beyond which
    nothing was tried.
    """
    records = [record for path in runs for record in read_json(path)]
    points = _points(records, _validation(population, records[0]["model"]))
    entries, rows = [], []
    for point, tried in points.items():
        values = dict(point)
        best = _best(tried, values)
        at_edge = len(tried) > 1 and best in (min(tried), max(tried))
        if at_edge:
            log.warning(
                "%s: the best penalty, %g, is at the edge of the grid (%g to %g); extend the grid",
                *(values, best, min(tried), max(tried)),
            )
        entries.append(values | {KEY: best})
        rows += [
            {"dataset": records[0]["dataset"], "model": records[0]["model"]}
            | values
            | {KEY: penalty, "validation_correlation": _mean(scores)}
            | {"n_runs": _count(scores), "n_failed": len(scores) - _count(scores)}
            | {"is_chosen": penalty == best, "at_edge": at_edge and penalty == best}
            | {"source_kind": records[0]["source_kind"]}
            for penalty, scores in sorted(tried.items())
        ]
    write_csv(pd.DataFrame(rows), candidates)
    write_json(entries, chosen)


def _validation(population: Input, model: str) -> dict[int, float]:
    """The criterion of each run of a model by its seed."""
    scores = read_csv(population, required=POPULATION_COLUMNS)
    scores = scores[scores["model"] == model]
    rows = scores[(scores[list(_CRITERION)] == pd.Series(_CRITERION)).all(axis=1)]
    return dict(zip(rows["seed"], rows["value"], strict=True))


def _points(records: list[dict], scores: Mapping[int, float]) -> dict[tuple, dict[float, list]]:
    """Scores of all runs by combination (pairs of name and value) and by penalty; NaN if failed.

    Raises:
        ValueError: the grid has no axis for the penalty.
    """
    points: dict[tuple, dict[float, list]] = {}
    for record in records:
        draw = {name: value for name, value in record["draw"].items() if name not in _REPEATS}
        if KEY not in draw:
            raise ValueError(
                f"model {record['model']}: seed {record['seed']} drew {sorted(draw)}; the grid of "
                f"a search for penalties needs an axis named {KEY}"
            )
        penalty = float(draw.pop(KEY))
        tried = points.setdefault(tuple(draw.items()), {}).setdefault(penalty, [])
        tried.append(scores.get(record["seed"], math.nan))
    return points


def _best(tried: Mapping[float, list], point: dict) -> float:
    """The penalty with the highest mean score.

    Raises:
        ValueError: none has a score.
    """
    means = {p: _mean(scores) for p, scores in sorted(tried.items()) if _count(scores)}
    if not means:
        raise ValueError(f"every run of the search failed at {point}; see its run.json")
    if len({_count(scores) for scores in tried.values()}) > 1:
        log.warning("%s: some penalties have fewer runs that ended well than others", point)
    return max(means, key=means.__getitem__)


def _mean(scores: list[float]) -> float:
    n = _count(scores)
    return sum(score for score in scores if not math.isnan(score)) / n if n else math.nan


def _count(scores: list[float]) -> int:
    return sum(not math.isnan(score) for score in scores)
