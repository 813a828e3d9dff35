"""The table that the Kindel 2019 figures read: one row per model and neuron."""

import logging

from v1lib.files import write_csv
from v1lib.score_files import read_scores
from v1lib.score_tables import neuron_means
from v1lib.steps import Inputs, Output

log = logging.getLogger(__name__)


def main(
    *, scores: Inputs, neurons: Output, response_window_s: float, undefined_correlation: str
) -> None:
    """From the scores of several models to means over seeds of each neuron.

    ``undefined_correlation`` is "zero" (as the published code) or "skip"; rates are counts over
    ``response_window_s``.
    """
    table = neuron_means(
        read_scores(scores),
        response_window_s=response_window_s,
        undefined_correlation=undefined_correlation,
    )
    for model, rows in table.groupby("model", sort=False):
        log.info(
            "%s: %d neurons, %d correlations undefined and %d outputs dead in %d runs of a neuron",
            model,
            len(rows),
            rows["n_undefined"].sum(),
            rows["n_dead"].sum(),
            rows["n_seeds"].sum(),
        )
    write_csv(table, neurons)
