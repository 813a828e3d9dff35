"""Predicted responses of a block of runs, the only thing between weights and scores."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from v1lib.files import read_npz, write_npz


@dataclass(frozen=True)
class Predictions:
    """What the networks of a block predict for every image.

    Attributes:
        seeds: int64 [n_seeds].
        session_names: str [n_sessions].
        session_index: int64 [n_neurons], row of ``session_names``.
        predictions: float32 [n_seeds, n_images, n_neurons], NaN where a run failed.
        split: int8 [n_seeds, n_sessions, n_images], codes of ``v1lib.splits.SPLIT_CODES``.
        dataset, model, source_kind: what they belong to.
    """

    seeds: np.ndarray
    session_names: np.ndarray
    session_index: np.ndarray
    predictions: np.ndarray
    split: np.ndarray
    dataset: str
    model: str
    source_kind: str

    def save(self, path: Path) -> None:
        """Write an ``.npz`` without pickles."""
        write_npz(path, **{f.name: getattr(self, f.name) for f in fields(self)})


def load_predictions(path: Path) -> Predictions:
    """Read predictions written by ``Predictions.save``.

    Raises:
        ValueError: the file is damaged or lacks an array; the message names it.
    """
    names = [f.name for f in fields(Predictions)]
    arrays = read_npz(path, required=names)
    values = {name: arrays[name] for name in names}
    for name in ("dataset", "model", "source_kind"):
        values[name] = str(values[name])
    return Predictions(**values)
