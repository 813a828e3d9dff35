"""Recorded (or simulated) responses to images, in the one form all steps share."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from v1lib.files import read_npz, write_npz

_REQUIRED = (
    "stimuli",
    "responses",
    "image_index",
    "session",
    "split",
    "n_averaged",
    "dataset",
    "source_kind",
)
_OPTIONAL = (
    *("aperture", "neuron_position", "image_type"),
    *("n_repeats", "stimulus_mean_sd"),
)


@dataclass(frozen=True)
class ScanInfo:
    """What a model must know of the neurons of one scan.

    Attributes:
        name: data key.
        mean_response: float32 [n_neurons], over training trials.
        neuron_position: float64 [n_neurons, 2 or more], cortical coordinates x, y, ... in µm; None
            where they are not known.
        match_id: int64 [n_neurons], equal for one neuron in several scans, -1 without; None where
            neurons were not matched.
        image_mean, image_sd: of the grey values, for models that take normalised images.
    """

    name: str
    mean_response: np.ndarray
    neuron_position: np.ndarray | None = None
    match_id: np.ndarray | None = None
    image_mean: float = 0.0
    image_sd: float = 1.0

    @property
    def n_neurons(self) -> int:
        """Number of its neurons."""
        return len(self.mean_response)


@dataclass(frozen=True)
class RecordingInfo:
    """What a model must know of the neurons it predicts.

    Attributes:
        stimulus_shape: (channels, height, width) of one image.
        n_neurons: number of outputs.
        mean_response: float32 [n_neurons], mean training response.
        background: grey value around the images (raw units).
        mean_response_filled: mean over all training trials, missing ones counted as 0, from which
            Burg et al. 2021 start their output bias.
        scans: for models with one readout per scan; ``n_neurons`` is then that of all together.
    """

    stimulus_shape: tuple[int, int, int]
    n_neurons: int
    mean_response: np.ndarray
    background: float = 0.0
    mean_response_filled: np.ndarray | None = None
    scans: tuple[ScanInfo, ...] = ()


@dataclass(frozen=True)
class Recording:
    """Stimuli and responses of one data set.

    Attributes:
        stimuli: float32 [n_images, channels, height, width], raw grey values; in units of their
            standard deviation around their mean where extras hold ``stimulus_mean_sd``.
        responses: float32 [n_trials, n_neurons], NaN where not recorded.
        image_index: int64 [n_trials], row of ``stimuli`` shown in a trial.
        session: str [n_neurons], the recording session of each neuron.
        split: str [n_images], train, validation, test, or "" (decided per run).
        n_averaged: int64 [n_trials], presentations averaged in a row of ``responses``.
        dataset: name of the data set.
        source_kind: "real" or "simulated".
        extras: optional arrays: aperture bool [height, width], neuron_position, image_type str
            [n_images], n_repeats int64 [n_neurons] (trials of an image that are a neuron's own; any
            later ones are copies of them), stimulus_mean_sd float64 [2] (what was subtracted from
            and divided out of the grey values, if anything).
    """

    stimuli: np.ndarray
    responses: np.ndarray
    image_index: np.ndarray
    session: np.ndarray
    split: np.ndarray
    n_averaged: np.ndarray
    dataset: str
    source_kind: str
    extras: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_images, n_trials = len(self.stimuli), len(self.responses)
        expected = {
            "stimuli": (n_images, *self.stimuli.shape[1:4]),
            "responses": (n_trials, len(self.session)),
            "image_index": (n_trials,),
            "split": (n_images,),
            "n_averaged": (n_trials,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {shape}")
        if self.stimuli.ndim != 4:
            raise ValueError(f"stimuli has {self.stimuli.ndim} axes, expected 4: [n, C, H, W]")
        if not np.isfinite(self.stimuli).all():
            raise ValueError("stimuli hold values that are not finite")
        if np.isinf(self.responses).any():
            raise ValueError("responses hold infinite values (NaN marks a missing one)")
        if n_trials and not (0 <= self.image_index.min() and self.image_index.max() < n_images):
            raise ValueError(f"image_index points outside the {n_images} stimuli")
        if self.source_kind not in ("real", "simulated"):
            raise ValueError(f"source_kind is {self.source_kind!r}, allowed: real, simulated")

    @property
    def session_names(self) -> list[str]:
        """Names of the sessions, in order of their first neuron."""
        return list(dict.fromkeys(self.session.tolist()))

    @property
    def background(self) -> float:
        """Grey value outside the aperture; the mean of the stimuli without one."""
        aperture = self.extras.get("aperture")
        if aperture is None or aperture.all():
            return float(self.stimuli.mean())
        return float(np.median(self.stimuli[:, 0, ~aperture]))

    def neurons_of(self, session: str) -> np.ndarray:
        """Columns of ``responses`` that belong to a session."""
        return np.flatnonzero(self.session == session)

    def mean_over_trials(self) -> np.ndarray:
        """float64 [n_images, n_neurons]: mean response to each image, NaN where none was recorded.

        Rows count by the number of presentations they average.
        """
        weight = np.where(np.isnan(self.responses), 0.0, self.n_averaged[:, None])
        total = np.zeros((len(self.stimuli), len(self.session)))
        count = np.zeros_like(total)
        np.add.at(total, self.image_index, weight * np.nan_to_num(self.responses))
        np.add.at(count, self.image_index, weight)
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)

    def repeats(self) -> np.ndarray:
        """float32 [n_repeats, n_images, n_neurons]: the trials of each image in their order.

        Each recorded trial appears once: rows that repeat a neuron's earlier trials (``n_repeats``
        of the extras says how many are its own) are NaN, as are trials that were not recorded.
        """
        order = np.argsort(self.image_index, kind="stable")
        _, first, count = np.unique(self.image_index[order], return_index=True, return_counts=True)
        number = np.empty(len(order), dtype=np.int64)
        number[order] = np.arange(len(order)) - np.repeat(first, count)
        shape = (count.max(initial=0), len(self.stimuli), len(self.session))
        repeats = np.full(shape, np.nan, dtype=np.float32)
        repeats[number, self.image_index] = self.responses
        if "n_repeats" in self.extras:
            is_copy = np.arange(len(repeats))[:, None] >= self.extras["n_repeats"]
            repeats = np.where(is_copy[:, None, :], np.float32(np.nan), repeats)
        return repeats

    def save(self, path: Path) -> None:
        """Write the recording to an ``.npz`` without pickles."""
        write_npz(path, **{name: getattr(self, name) for name in _REQUIRED}, **self.extras)


def load_recording(path: Path) -> Recording:
    """Read a recording written by ``Recording.save``.

    Raises:
        ValueError: the file is damaged, lacks an array, or its arrays do not fit together; the
            message names the file.
    """
    arrays = read_npz(path, required=_REQUIRED)
    try:
        return Recording(
            **{name: arrays[name] for name in _REQUIRED[:-2]},
            dataset=str(arrays["dataset"]),
            source_kind=str(arrays["source_kind"]),
            extras={name: arrays[name] for name in _OPTIONAL if name in arrays},
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
