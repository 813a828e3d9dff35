"""Subsets of images and neurons as Lurz et al. 2021 draw them (code: mouse_loaders.py).

NumPy's legacy generator is seeded with the base seed times the size of the subset, so subsets of
different sizes are not nested, and a subset of full size is a permutation. What is drawn depends on
positions in the lists alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from v1lib.data_sets import Group
from v1lib.splits import SPLIT_CODES

UNMATCHED = -1
DRAWS = ("disjoint", "original")


@dataclass(frozen=True)
class Subset:
    """What a run learns from; the ``subset`` section of a training.

    Attributes:
        images: training images of each scan; None for all.
        neurons: neurons of each scan; None for all.
        excluded: so many neurons are drawn first and left out, see ``neuron_subset``.
        matched: draw among the neurons that were found in all scans, the same in each.
        draw: see ``matched_subset``; in a single scan "original" is ``neuron_subset``.

    The base seed of the draws is the number of the replicate, counted from 1.
    """

    images: int | None = None
    neurons: int | None = None
    excluded: int = 0
    matched: bool = False
    draw: str = "disjoint"


def images_of(group: Group, codes: np.ndarray, subset: Subset, replicate: int) -> np.ndarray:
    """The split of a scan in which training images beyond the subset are left out.

    Args:
        group: the scan.
        codes: int8 [n_images], codes of ``SPLIT_CODES``.
        subset: what to keep; all images stay as they are where it names no number.
        replicate: number of the draw, from 0.

    Returns:
        int8 [n_images].

    Raises:
        ValueError: there are fewer training images.
    """
    if subset.images is None:
        return codes
    training = group.first_shown[codes[group.first_shown] == SPLIT_CODES["train"]]
    kept = image_subset(training, subset.images, base_seed=replicate + 1)
    left_out = np.setdiff1d(training, kept)
    codes = codes.copy()
    codes[left_out] = SPLIT_CODES[""]
    return codes


def neurons_of(groups: Sequence[Group], subset: Subset, replicate: int) -> dict[str, np.ndarray]:
    """The neurons of a subset: columns of each group.

    Raises:
        ValueError: there are fewer neurons, or neurons of this data were not matched.
    """
    base_seed = replicate + 1
    if subset.matched:
        ids = {group.name: _match_ids(group) for group in groups}
        n = subset.neurons or len(common_match_ids(ids)) - subset.excluded
        return matched_subset(
            ids, n, base_seed=base_seed, n_excluded=subset.excluded, draw=subset.draw
        )
    if subset.neurons is None and not subset.excluded:
        return {group.name: group.neurons for group in groups}
    columns = {}
    for group in groups:
        n = subset.neurons or len(group.neurons) - subset.excluded
        excluded = {"base_seed": base_seed, "n_excluded": subset.excluded}
        if subset.draw == "original":
            drawn = neuron_subset(group.neurons, n, **excluded)
        else:
            drawn = matched_subset({group.name: group.neurons}, n, **excluded, draw=subset.draw)
            drawn = drawn[group.name]
        columns[group.name] = group.neurons[drawn]
    return columns


def _match_ids(group: Group) -> np.ndarray:
    ids = getattr(group.recorded, "match_id", None)
    if ids is None:
        raise ValueError(f"{group.name}: neurons of a recording were not matched between sessions")
    return ids


def image_subset(trials: np.ndarray, n: int, *, base_seed: int) -> np.ndarray:
    """Training trials of an image subset, in the random order of the draw.

    Args:
        trials: int [n_trials], all training trials of a scan in the order of its files.
        n: size of the subset.
        base_seed: seed of the replicate, at least 1.

    Returns:
        int64 [n], elements of ``trials``.

    Raises:
        ValueError: there are fewer trials, or the seed is below 1.
    """
    return _drawn(np.asarray(trials, dtype=np.int64), n, seed=_seed(base_seed, n), what="trials")


def neuron_subset(
    unit_ids: np.ndarray, n: int, *, base_seed: int, n_excluded: int = 0
) -> np.ndarray:
    """Neurons of a subset of one scan, in the random order of the draw.

    Args:
        unit_ids: int [n_neurons], of all neurons of the scan.
        n: size of the subset.
        base_seed: seed of the replicate, at least 1.
        n_excluded: so many neurons are drawn before those of the subset and left out.

    Returns:
        int64 [n], columns of the scan.

    Raises:
        ValueError: there are fewer neurons, two have one id, or the seed is below 1.
    """
    if len(np.unique(unit_ids)) < len(unit_ids):
        raise ValueError("two neurons have the same unit id")
    columns = np.arange(len(unit_ids))
    seed = _seed(base_seed, n)
    return _drawn(columns, n_excluded + n, seed=seed, what="neurons")[n_excluded:]


def common_match_ids(match_ids: Mapping[str, np.ndarray]) -> np.ndarray:
    """Sorted match ids that neurons of every scan have; unmatched neurons do not count.

    Args:
        match_ids: int [n_neurons] of each scan, ``UNMATCHED`` where a neuron has no match.

    Raises:
        ValueError: no id is common, or two neurons of a scan share one.
    """
    common = reduce(np.intersect1d, match_ids.values())
    common = common[common != UNMATCHED]
    if not len(common):
        raise ValueError(f"no neuron is matched in all scans {', '.join(match_ids)}")
    for scan, ids in match_ids.items():
        _, count = np.unique(ids[np.isin(ids, common)], return_counts=True)
        if count.max() > 1:
            raise ValueError(f"scan {scan}: two neurons have the same match id")
    return common


def matched_subset(
    match_ids: Mapping[str, np.ndarray],
    n: int,
    *,
    base_seed: int,
    n_excluded: int = 0,
    draw: str = "disjoint",
) -> dict[str, np.ndarray]:
    """Neurons that are matched in all scans, or a held-out set of them.

    Args:
        match_ids: as in ``common_match_ids``.
        n: size of the subset.
        base_seed: seed of the replicate, at least 1.
        n_excluded: size of the set that this one is held out from; 0 for no such set.
        draw: "original" seeds with ``base_seed * n`` as published, so that a held-out set of 1,000
            shares most of its neurons with the set of 3,597 that it is held out from; "disjoint"
            takes both from one permutation per base seed, so that they share none and sets of
            several sizes are nested.

    Returns:
        Columns of each scan (int64 [n]), in the order of the scan.

    Raises:
        ValueError: there are fewer matched neurons, an unknown draw, or a seed below 1.
    """
    if draw not in DRAWS:
        raise ValueError(f"draw is {draw!r}, allowed: {', '.join(DRAWS)}")
    ids = common_match_ids(match_ids)
    seed = _seed(base_seed, n if draw == "original" else 1)
    chosen = _drawn(ids, n_excluded + n, seed=seed, what="matched neurons")[n_excluded:]
    return {scan: np.flatnonzero(np.isin(of_scan, chosen)) for scan, of_scan in match_ids.items()}


def _seed(base_seed: int, n: int) -> int:
    if base_seed < 1:
        raise ValueError(f"base_seed is {base_seed}; at 0 subsets of all sizes would be nested")
    return base_seed * n


def _drawn(items: np.ndarray, n: int, *, seed: int, what: str) -> np.ndarray:
    if not 0 < n <= len(items):
        raise ValueError(f"a subset needs {n} {what}, there are {len(items)}")
    return np.random.RandomState(seed).choice(items, size=n, replace=False)
