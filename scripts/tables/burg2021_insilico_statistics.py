"""Numbers that the claims on the in-silico experiments of Burg et al. 2021 rest on."""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from v1lib.cross_orientation import fraction_inhibited
from v1lib.files import read_npz, write_csv
from v1lib.statistics import paired_comparison
from v1lib.steps import Input, Inputs, Output
from v1lib.summaries import Interval, summarise, t_interval

COLUMNS = (
    *("role", "criterion", "statistic", "n", "value", "low", "high", "p"),
    *("dataset", "model", "source_kind"),
)
_INHIBITION = ("neuron", "index", "dataset", "model", "source_kind")
_SIZES = ("suppression", "summation_px", "dataset", "model", "source_kind")


def main(
    *,
    cross_orientation: Inputs,
    size_tuning: Input,
    statistics: Output,
    roles: list,
    control: str,
    size_role: str,
    thresholds: dict,
    pixels_per_degree: float,
) -> None:
    """From the experiments to one row per role of a model and statistic, with 95 % t intervals.

    ``cross_orientation``: files of the models with ``roles``, in that order; ``control``: the role
    that the others are compared to; ``size_tuning``: file of the model with ``size_role``;
    ``thresholds``: inhibited_from and suppressed_from, indices from which a neuron counts.
    """
    found = dict(
        zip(
            roles, (read_npz(path, required=_INHIBITION) for path in cross_orientation), strict=True
        )
    )
    rows = [
        row
        for role, arrays in found.items()
        for row in inhibition_rows(arrays, role, thresholds["inhibited_from"])
    ]
    rows += [
        difference_row(arrays, found[control], role, control)
        for role, arrays in found.items()
        if role != control
    ]
    sizes = read_npz(size_tuning, required=_SIZES)
    rows += size_rows(sizes, size_role, thresholds["suppressed_from"], pixels_per_degree)
    write_csv(pd.DataFrame(rows, columns=list(COLUMNS)), statistics)


def inhibition_rows(arrays: dict, role: str, inhibited_from: float) -> list[dict]:
    """Share of neurons inhibited and mean index, over networks."""
    shares = [fraction_inhibited(index, inhibited_from) for index in arrays["index"]]
    means = [summarise(index, ddof=1).mean for index in arrays["index"]]
    return [
        _over_networks(arrays, role, "fraction_inhibited", shares, is_share=True),
        _over_networks(arrays, role, "inhibition_index", means),
    ]


def difference_row(arrays: dict, control: dict, role: str, name: str) -> dict:
    """Index less that of the control, per neuron (means over networks); Wilcoxon's p.

    Raises:
        ValueError: the two models predict other neurons.
    """
    if not np.array_equal(arrays["neuron"], control["neuron"]):
        raise ValueError(f"the models with the roles {role} and {name} predict other neurons")
    # A neuron without index in a network is left out of that network's share of the mean.
    first, second = (_mean_over_networks(found["index"]) for found in (arrays, control))
    test = paired_comparison(first, second)
    interval = t_interval(first - second)
    found = {"n": test.n, "value": test.mean_difference, "p": test.p}
    statistic = f"inhibition_index_minus_{name}"
    return _row(arrays, role, statistic, interval) | found


def size_rows(
    arrays: dict, role: str, suppressed_from: float, pixels_per_degree: float
) -> list[dict]:
    """Mean suppression index, share of neurons suppressed, summation field, over networks."""
    index = arrays["suppression"]
    diameter = 2 * arrays["summation_px"] / pixels_per_degree
    suppressed = np.mean(np.nan_to_num(index, nan=-np.inf) >= suppressed_from, axis=1)
    means = [summarise(row, ddof=1).mean for row in index]
    return [
        _over_networks(arrays, role, "suppression_index", means),
        _over_networks(arrays, role, "fraction_suppressed", suppressed, is_share=True),
        _over_networks(arrays, role, "summation_diameter_deg", diameter.mean(axis=1)),
    ]


def _over_networks(
    arrays: dict, role: str, statistic: str, values: ArrayLike, *, is_share: bool = False
) -> dict:
    summary = summarise(values, ddof=1)
    interval = t_interval(values, within=(0.0, 1.0)) if is_share else t_interval(values)
    row = _row(arrays, role, statistic, interval)
    return row | {"n": summary.n, "value": summary.mean, "p": math.nan}


def _row(arrays: dict, role: str, statistic: str, interval: Interval) -> dict:
    names = {name: str(arrays[name]) for name in ("dataset", "model", "source_kind")}
    bounds = {"low": interval.low, "high": interval.high}
    return {"role": role, "criterion": "", "statistic": statistic} | bounds | names


def _mean_over_networks(index: np.ndarray) -> np.ndarray:
    return np.array([summarise(of_neuron, ddof=1).mean for of_neuron in index.T])
