"""F-READOUT: how much the readout uses each feature of the best models."""

import numpy as np

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.learned_normalization import load_normalization
from v1lib.normalization_input import mean_readout_weights
from v1lib.normalization_tables import networks_of
from v1lib.steps import Input, Output
from v1lib.summaries import coefficient_of_variation


def main(
    *, normalization: Input, figure: Output, pdf: Output, table: Output, n_top: int, n_bins: int
) -> None:
    """Histogram of the mean readout weight of every feature, from 0, with its variation.

    Each neuron's feature weights are divided by their norm, then averaged over neurons.
    """
    best = load_normalization(normalization).of_ranks(1, n_top)
    weights = mean_readout_weights(best.readout_features)
    n_models, n_features = weights.shape
    variation = coefficient_of_variation(weights)
    edges = np.linspace(0, weights.max(), n_bins + 1)
    with plotting.style():
        page = plotting.new_figure(plotting.COLUMN_CM, 6.4)
        (ax,) = plotting.panels(page, 1, 1)
        ax.hist(weights.ravel(), bins=edges, color=plotting.GREY)
        ax.set_xlim(left=0)
        ax.set(xlabel="readout weight, mean over neurons (norm 1 per neuron)")
        ax.set_ylabel("number of features")
        ax.yaxis.get_major_locator().set_params(integer=True)
        n_neurons = best.readout_features.shape[-1]
        ax.set_title(
            f"{n_models} models × {n_features} features, {n_neurons} neurons;\n"
            f"coefficient of variation (SD / mean) {variation:.1f}"
        )
    plotting.save_figure(page, figure, pdf, best.source_kind)
    number = np.searchsorted(edges, weights.ravel(), side="right") - 1
    values = networks_of(best, n_features).assign(
        feature=np.tile(np.arange(n_features), n_models),
        mean_readout_weight=weights.ravel(),
        bin_low=edges[np.clip(number, 0, n_bins - 1)],
        coefficient_of_variation=variation,
    )
    write_csv(values, table)
