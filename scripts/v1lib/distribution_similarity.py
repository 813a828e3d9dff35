"""How alike two distributions of a property are, and how alike a sample can be to itself.

The measure of the V1 property benchmarks (Marques, Schrimpf & DiCarlo 2021; Brain-Score vision,
metrics/distribution_similarity): 1 minus the Kolmogorov-Smirnov distance of two histograms, the
distance being relative to the largest that the reference allows, averaged over bootstrap samples
of the model's units.

A bootstrap sample of units enters by its histogram only, and histograms of samples with
replacement are multinomial: they are drawn as such, without drawing units.
"""

import math
from dataclasses import dataclass

import numpy as np

N_DRAWS = 1000
MOST_UNDEFINED = 0.1  # of the draws; beyond, the similarity is 0 [Brain-Score]


@dataclass(frozen=True)
class Histogram:
    """A sample of one property.

    Attributes:
        counts: int64 [n_bins].
        n_missing: units of the sample without a value.
    """

    counts: np.ndarray
    n_missing: int

    @property
    def n(self) -> int:
        """Size of the sample, missing values included."""
        return int(self.counts.sum()) + self.n_missing


def histogram(values: np.ndarray, edges: np.ndarray) -> Histogram:
    """Values in bins; what lies outside is counted in the outermost ones, NaN as missing.

    Args:
        values: [n].
        edges: [n_bins + 1], rising; a bin includes its lower edge, the last one also its upper.
    """
    missing = np.isnan(values)
    inside = np.clip(values[~missing], edges[0], edges[-1])
    return Histogram(np.histogram(inside, bins=edges)[0], int(missing.sum()))


def ks_similarity(counts: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """1 - KS / KSmax of histograms against one reference.

    KSmax is the larger distance from the reference of two histograms: all in the first bin, all in
    the last.

    Args:
        counts: [..., n_bins], of any sums; NaN comes back where the sum is 0.
        reference: [n_bins], of a sum above 0.

    Returns:
        float64 [...].
    """
    total = counts.sum(axis=-1, keepdims=True)
    share = np.full(counts.shape, np.nan)
    np.divide(counts, total, out=share, where=total > 0)
    expected = np.cumsum(reference) / np.sum(reference)
    distance = np.abs(np.cumsum(share, axis=-1) - expected).max(axis=-1)
    # All in the first bin: 1 everywhere; all in the last: 0 up to there.
    largest = max(np.abs(1 - expected).max(), expected[:-1].max(initial=0.0))
    return 1 - distance / largest


def bootstrap_similarity(
    model: Histogram, reference: Histogram, *, rng: np.random.Generator, n_draws: int = N_DRAWS
) -> tuple[float, float]:
    """Similarity of samples of a model's units, as many as the reference has neurons.

    Args:
        model: in the bins of the reference; its missing values are drawn too, and not counted.
        reference: the neurons.
        rng: source of randomness.
        n_draws: bootstrap samples.

    Returns:
        Mean and standard deviation over the draws. Both are 0 when more than a tenth of the draws
        holds no value, as in the published benchmarks; NaN for a model without units, of which
        nothing can be drawn and nothing was measured.

    Raises:
        ValueError: the bins differ, or the reference is empty.
    """
    if model.counts.shape != reference.counts.shape or not reference.counts.sum():
        raise ValueError(
            f"{len(model.counts)} bins against {len(reference.counts)} of "
            f"{reference.counts.sum()} neurons: nothing to compare with"
        )
    if not model.n:
        return math.nan, math.nan
    chances = np.append(model.counts, model.n_missing) / model.n
    drawn = rng.multinomial(reference.n, chances, size=n_draws)[:, :-1]
    found = ks_similarity(drawn, reference.counts)
    undefined = np.isnan(found)
    if undefined.mean() > MOST_UNDEFINED:
        return 0.0, 0.0
    return float(found[~undefined].mean()), float(found[~undefined].std())


def ceiling(
    reference: Histogram, *, rng: np.random.Generator, n_draws: int = N_DRAWS
) -> tuple[float, float]:
    """Similarity of bootstrap samples of the reference to itself: mean, standard deviation."""
    return bootstrap_similarity(reference, reference, rng=rng, n_draws=n_draws)
