"""The table of learned components, and the distributions in it."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

COMPONENT_COLUMNS = (
    *("dataset", "model", "seed", "component", "block", "parameter", "unit"),
    *("before", "after", "source_kind"),
)
FULL_WIDTH = 2 * math.sqrt(2 * math.log(2))  # at half maximum, in standard deviations
WHEN = ("before", "after")  # training


def bin_edges(values: pd.DataFrame, n_bins: int, *, tail: float) -> np.ndarray:
    """Edges [n_bins + 1] for values before and after training alike.

    Args:
        values: columns before and after.
        n_bins: bins.
        tail: share of the values on either side that may lie beyond the edges.
    """
    low, high = np.quantile(values[list(WHEN)].to_numpy(), [tail, 1 - tail])
    # Values that all agree, as those of one bias do, still need bins of some width.
    margin = max(0.02 * (high - low), 1e-3 * abs(high), 1e-6)
    return np.linspace(low - margin, high + margin, n_bins + 1)


def histograms(values: pd.DataFrame, edges: np.ndarray, by: Sequence[str]) -> pd.DataFrame:
    """Shares of the values in bins, before and after training.

    Values beyond the edges count in the outermost bins, so shares sum to 1.

    Args:
        values: columns before, after, seed and those of ``by``.
        edges: [n_bins + 1].
        by: columns whose values are kept apart; all others, such as seeds, are pooled.

    Returns:
        Columns of ``by``, when (before or after), bin_low, bin_high, share, n (values) and n_seeds.
    """
    tables = []
    for key, rows in values.groupby(list(by), sort=False):
        for when in WHEN:
            inside = rows[when].clip(edges[0], edges[-1])
            counts, _ = np.histogram(inside, edges)
            bins = {"bin_low": edges[:-1], "bin_high": edges[1:], "share": counts / len(rows)}
            about = dict(zip(by, key, strict=True)) | {"when": when}
            about |= {"n": len(rows), "n_seeds": rows["seed"].nunique()}
            tables.append(pd.DataFrame(about | bins))
    return pd.concat(tables, ignore_index=True)
