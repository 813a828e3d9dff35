"""Fig. 4 of Lurz et al. 2021: neurons that were held out, read out from cores of other neurons.

Three conditions for each kind of readout: core and readout trained on the held-out neurons with x
images (direct); a core of other neurons with x images and a readout with all (diff_core); a core of
other neurons with all images and a readout with x (best_core).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from v1lib.lurz2021_curves import at_images_of_core, by_replicate, curves, read_scored_runs
from v1lib.lurz2021_effects import core_over_readout

CONDITIONS = {  # in legend order, with what a reader is told
    "direct": "direct training",
    "diff_core": "diff-core/best-readout",
    "best_core": "best-core/diff-readout",
}
PANELS = ("factorised", "gaussian")  # readouts, A and B of the figure


def transfer_runs(populations: Sequence[Path], records: Sequence[Path], score: str) -> pd.DataFrame:
    """Runs of all conditions, those of diff_core at the number of images of their core.

    Args:
        populations: population_scores.csv of all models.
        records: run.json of the blocks of the diff_core models.
        score: metric of the test images.
    """
    return at_images_of_core(read_scored_runs(populations, score), records)


def transfer_curves(
    runs: pd.DataFrame, models: Mapping[str, Mapping[str, str]], *, seed: int
) -> pd.DataFrame:
    """Curves of both panels, with the columns ``panel`` and ``condition``.

    Args:
        runs: rows of ``transfer_runs``.
        models: model by panel and condition; conditions may be missing.
        seed: of the bootstrap.
    """
    tables = []
    for panel in PANELS:
        of_panel = models.get(panel, {})
        named = {name: of_panel[name] for name in CONDITIONS if name in of_panel}
        tables.append(curves(runs, named, seed=seed).assign(panel=panel))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(condition=table["label"], label=table["label"].map(CONDITIONS))


def core_limits(runs: pd.DataFrame, models: Mapping[str, str]) -> pd.Series:
    """How much more a well trained core gives than a well trained readout, by replicate.

    Args:
        runs: rows of ``transfer_runs``.
        models: model by condition.

    Returns:
        See ``core_over_readout``; empty where a condition is missing.
    """
    if not {"best_core", "diff_core"} <= set(models):
        return pd.Series(dtype=float)
    best, diff = (by_replicate(runs, models[name]) for name in ("best_core", "diff_core"))
    return core_over_readout(best, diff)
