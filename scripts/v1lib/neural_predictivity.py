"""How well the units of a model predict recorded neurons, by partial least squares.

The measure of Brain-Score's neural benchmarks (Schrimpf et al. 2018; FreemanZiemba2013.V1-pls):
partial least squares with 25 components on random splits of the images, the median over neurons of
Pearson's r, and a ceiling from halves of the repeats.

The regression enters by inner products of the images' features only, so that 65,536 features cost
little more than 100: the steps are those of NIPALS as scikit-learn does them, stopping rule
included, rewritten for a kernel (Rosipal & Trejo 2001), and so are the predictions.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from v1lib.correlation import correlation

TOLERANCE, MAX_ITERATIONS = 1e-6, 500  # of scikit-learn's PLSRegression
_EPSILON = np.finfo(np.float64).eps
_UNITS_AT_ONCE = 2048

Split = tuple[np.ndarray, np.ndarray]


def gram(features: np.ndarray) -> np.ndarray:
    """Inner products of all pairs of images, about the mean image: float64 [n_images, n_images].

    Args:
        features: [n_images, n_units], in memory or mapped from a file; read in parts.
    """
    n_images, n_units = features.shape
    products = np.zeros((n_images, n_images))
    for first in range(0, n_units, _UNITS_AT_ONCE):
        part = features[:, first : first + _UNITS_AT_ONCE].astype(np.float64)
        part -= part.mean(axis=0)
        products += part @ part.T
    return products


def predicted(
    products: np.ndarray, responses: np.ndarray, split: Split, *, n_components: int
) -> np.ndarray:
    """Responses to the test images from a regression on the training images.

    Args:
        products: of ``gram``, of all images.
        responses: [n_images, n_neurons], fitted together; only those of training images are used.
        split: rows that train, rows to predict.
        n_components: of the regression.

    Returns:
        float64 [n_test, n_neurons].

    Raises:
        ValueError: there are fewer training images than components, or a response is missing.
    """
    train, test = split
    if n_components > len(train):
        raise ValueError(
            f"{n_components} components need as many training images, not {len(train)}"
        )
    y = responses[train].astype(np.float64)
    if np.isnan(y).any():
        raise ValueError("a training response is missing")
    kernel = products[np.ix_(train, train)]
    seen, overall = kernel.mean(axis=0), kernel.mean()
    across = products[np.ix_(test, train)]
    across = across - across.mean(axis=1, keepdims=True) - seen + overall
    kernel = kernel - seen - seen[:, None] + overall
    mean = y.mean(axis=0)
    return across @ _coefficients(kernel, y - mean, n_components) + mean


def correlations(
    products: np.ndarray, responses: np.ndarray, splits: Sequence[Split], *, n_components: int
) -> np.ndarray:
    """Pearson's r over the test images: float64 [n_splits, n_neurons]; see ``predicted``."""
    return np.array(
        [
            correlation(
                predicted(products, responses, split, n_components=n_components),
                responses[split[1]],
            )
            for split in splits
        ]
    )


def random_splits(
    n_images: int, *, n_splits: int, test_share: float, seed: int, strata: np.ndarray | None = None
) -> list[Split]:
    """Random splits of images as scikit-learn draws them, the share of each stratum kept.

    Args:
        n_images: to split.
        n_splits: how often.
        test_share: of the images.
        seed: 1 in Brain-Score.
        strata: [n_images], such as the type of each image; None for any split.
    """
    kind = ShuffleSplit if strata is None else StratifiedShuffleSplit
    drawn = kind(n_splits=n_splits, train_size=1 - test_share, random_state=seed)
    return list(drawn.split(np.zeros((n_images, 1)), strata))


def split_half_ceilings(repeats: np.ndarray, *, n_halves: int, seed: int) -> np.ndarray:
    """Correlation of halves of the repeats, corrected to their full number.

    Each half is averaged over the trials there are; images without a trial in one of them do not
    count for the neuron.

    Args:
        repeats: [n_repeats, n_images, n_neurons], NaN where not recorded.
        n_halves: random divisions.
        seed: 1 in Brain-Score.

    Returns:
        float64 [n_halves, n_neurons]; NaN where undefined, as for a single repeat.
    """
    n_repeats, _, n_neurons = repeats.shape
    if n_repeats < 2:
        return np.full((n_halves, n_neurons), np.nan)
    drawn = ShuffleSplit(n_splits=n_halves, train_size=0.5, random_state=seed)
    found = []
    for halves in drawn.split(np.zeros((n_repeats, 1))):
        first, second = (_mean_over_trials(repeats[half]) for half in halves)
        both = ~(np.isnan(first) | np.isnan(second))
        r = [
            _correlation(first[both[:, neuron], neuron], second[both[:, neuron], neuron])
            for neuron in range(n_neurons)
        ]
        found.append(spearman_brown(np.array(r)))
    return np.array(found)


def spearman_brown(r: np.ndarray) -> np.ndarray:
    """Reliability of the whole from the correlation of its halves: 2 r / (1 + r)."""
    return 2 * r / (1 + r)


def normalised(r: float, ceiling: float) -> dict[str, float]:
    """Both of Brain-Score's ways to relate r to its ceiling.

    Returns:
        ``predictivity``: (r / c)^2, in force when the paper appeared, and ``predictivity_2026``:
        r^2 / c, since version 3 of the benchmark (January 2026).
    """
    return {"predictivity": (r / ceiling) ** 2, "predictivity_2026": r**2 / ceiling}


def by_recorded_images(responses: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Neurons that were recorded with the same images, which can be fitted together.

    Args:
        responses: [n_images, n_neurons], NaN where not recorded.

    Yields:
        int64 columns of the neurons, and rows of their images; not those recorded with none.
    """
    recorded = ~np.isnan(responses)
    patterns, member = np.unique(recorded, axis=1, return_inverse=True)
    for number in np.flatnonzero(patterns.any(axis=0)):
        yield np.flatnonzero(member.ravel() == number), np.flatnonzero(patterns[:, number])


def _coefficients(kernel: np.ndarray, y: np.ndarray, n_components: int) -> np.ndarray:
    """Weights of the training images in a prediction: [n_train, n_neurons].

    With scores T and weights w_k = X' a_k, the prediction is K A (T' K A)^-1 T' Y.

    Args:
        kernel: inner products of the centred features.
        y: centred; what the components leave of it is always orthogonal to their scores, so that
            the kernel itself need not be deflated.
        n_components: at most; fewer if nothing is left to explain.
    """
    left, images = y.copy(), kernel @ y
    scores, duals = [], []
    for _ in range(n_components):
        left[:, (np.abs(left) < 10 * _EPSILON).all(axis=0)] = 0
        direction = _leading_direction(left, left.T @ images)
        if direction is None:
            break
        dual = left @ direction
        score = _orthogonal(images @ direction, scores)
        length = np.linalg.norm(score)
        if not length > 0:
            break
        score /= length
        loading = score @ left
        left -= np.outer(score, loading)
        images -= np.outer(kernel @ score, loading)
        scores.append(score)
        duals.append(dual)
    if not scores:
        return np.zeros_like(y)
    scores, duals = np.array(scores), np.array(duals).T
    inner = scores @ (kernel @ duals)
    return duals @ (np.linalg.pinv(inner) @ (scores @ y))


def _leading_direction(left: np.ndarray, cross: np.ndarray) -> np.ndarray | None:
    """Weights of the neurons in the next component, by the power method of NIPALS.

    Args:
        left: unexplained responses [n_train, n_neurons].
        cross: left' K left; w . w' of two candidates is c' cross c', up to their lengths.

    Returns:
        [n_neurons]; None if nothing is left.
    """
    varying = np.flatnonzero((np.abs(left) > _EPSILON).any(axis=0))
    if not len(varying):
        return None
    direction = np.zeros(len(cross))
    direction[varying[0]] = 1.0
    if len(cross) == 1:
        return direction
    before = None
    for _ in range(MAX_ITERATIONS):
        image = cross @ direction
        length = np.sqrt(max(direction @ image, 0.0))
        if not length > 0:
            return None
        used = direction / length
        # Squared distance of unit vectors, the stopping rule of scikit-learn.
        if before is not None and 2 - 2 * (before @ image) / length < TOLERANCE:
            break
        before, direction = used, image / np.linalg.norm(image)
    return used


def _orthogonal(vector: np.ndarray, basis: Sequence[np.ndarray]) -> np.ndarray:
    """What of a vector is orthogonal to an orthonormal basis; twice, against rounding."""
    if basis:
        rows = np.array(basis)
        for _ in range(2):
            vector = vector - rows.T @ (rows @ vector)
    return vector


def _mean_over_trials(repeats: np.ndarray) -> np.ndarray:
    count = (~np.isnan(repeats)).sum(axis=0)
    total = np.nansum(repeats, axis=0, dtype=np.float64)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(correlation(x[:, None], y[:, None])[0]) if len(x) > 1 else np.nan
