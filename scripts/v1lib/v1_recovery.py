"""How near the V1 experiment comes to what was planted in cells of known tuning."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from v1lib.stimuli import orientation_distance

AT_STIMULI = "at_stimuli"
ORIENTATIONS = ("drawn_orientation", "preferred_orientation")
CELL_COLUMNS = (
    *("dataset", "model", "seed", "unit", "property", "planted", "measured", "source_kind"),
)
_ROUNDING = 1e-9  # relative, of a mean


@dataclass(frozen=True)
class Agreement:
    """Planted and measured values of a property, over cells.

    Attributes:
        n_cells, n_planted, n_measured, n: cells, those with a planted value, with a measured one,
            and with both.
        error: mean distance of both, in the units of the property; orientations 0 to 90 degrees.
        control: the same with planted cells exchanged, mean over permutations.
        p: share of permutations with an error as small, this order included.
    """

    n_cells: int
    n_planted: int
    n_measured: int
    n: int
    error: float
    control: float
    p: float


AGREEMENT_COLUMNS = (
    *("dataset", "model", "seed", "property"),
    *Agreement.__dataclass_fields__,
    "source_kind",
)


def agreement(
    planted: np.ndarray, measured: np.ndarray, *, circular: bool, n_permutations: int, seed: int
) -> Agreement:
    """Compare values of the same cells, with a control that exchanges the cells.

    Args:
        planted, measured: float64 [n_cells], NaN where there is none.
        circular: whether they are orientations in degrees.
        n_permutations, seed: of the control.

    Returns:
        NaN for error, control and p without a cell that has both values.
    """
    has_planted, has_measured = ~np.isnan(planted), ~np.isnan(measured)
    both = has_planted & has_measured
    counts = [len(planted), *(int(has.sum()) for has in (has_planted, has_measured, both))]
    if not both.any():
        return Agreement(*counts, np.nan, np.nan, np.nan)
    theirs, ours = planted[both], measured[both]
    rng = np.random.default_rng(seed)
    exchanged = rng.permuted(np.tile(theirs, (n_permutations, 1)), axis=1)
    error = float(_distance(theirs, ours, circular).mean())
    errors = _distance(exchanged, ours, circular).mean(axis=1)
    as_small = (errors <= error * (1 + _ROUNDING)).sum()
    p = float((1 + as_small) / (1 + n_permutations))
    return Agreement(*counts, error, float(errors.mean()), p)


def _distance(first: np.ndarray, second: np.ndarray, circular: bool) -> np.ndarray:
    return orientation_distance(first, second) if circular else np.abs(first - second)


def agreements(cells: pd.DataFrame, *, n_permutations: int, seed: int) -> pd.DataFrame:
    """``AGREEMENT_COLUMNS`` of every property, in the order of the table.

    Args:
        cells: rows of ``CELL_COLUMNS``.
        n_permutations, seed: of the control.
    """
    rows = []
    for name, own in cells.groupby("property", sort=False):
        found = agreement(
            own["planted"].to_numpy(dtype=float),
            own["measured"].to_numpy(dtype=float),
            circular=name in ORIENTATIONS,
            n_permutations=n_permutations,
            seed=seed,
        )
        about = own.iloc[0][["dataset", "model", "seed", "source_kind"]].to_dict()
        rows.append(about | {"property": name} | asdict(found))
    return pd.DataFrame(rows)[list(AGREEMENT_COLUMNS)]
