"""What a training batch is made of: images with their mean responses, or single trials."""

from dataclasses import dataclass

import numpy as np

from v1lib.data_sets import LABELLED_PARTS, DataSet, Group, LabelledGroup
from v1lib.labelled_images import Part as LabelledPart
from v1lib.recording import Recording

KINDS = ("images", "trials")


@dataclass(frozen=True)
class Samples:
    """Pairs of an image and the responses to it, of a recording or a scan.

    Attributes:
        stimuli: float32 [n_images, C, H, W], perhaps mapped from a file.
        image_index: int64 [n_samples], rows of the stimuli.
        responses: float32 [n_samples, n_columns], NaN where not recorded; perhaps mapped.
        n_listed: trials that count for the scale of the loss, see ``Group.n_listed``.
    """

    stimuli: np.ndarray
    image_index: np.ndarray
    responses: np.ndarray
    n_listed: int


@dataclass(frozen=True)
class LabelledSamples:
    """Images and their labels: those for training, then those for validation.

    Attributes:
        parts: training and validation images.
        n_classes: number of labels.
        n_listed: see ``Samples``.
    """

    parts: tuple[LabelledPart, LabelledPart]
    n_classes: int
    n_listed: int

    @property
    def labels(self) -> np.ndarray:
        """int64 [n_images]."""
        return np.concatenate([part.labels for part in self.parts])

    @property
    def image_index(self) -> np.ndarray:
        """int64 [n_images], each image is one sample."""
        return np.arange(self.n_listed)

    @property
    def n_bytes(self) -> int:
        """Memory that the images take if they are read whole."""
        return sum(part.images.nbytes for part in self.parts)


def samples_of(data: DataSet, kind: str) -> dict[str, Samples | LabelledSamples]:
    """The samples of each session or scan, by name; sessions of a recording share theirs.

    Args:
        data: where they come from.
        kind: "images" (one sample per image, its response averaged over trials) or "trials" (one
            per trial); labelled images are their own samples.

    Raises:
        ValueError: unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"samples is {kind!r}, allowed: {', '.join(KINDS)}")
    groups = [group for together in data.together.values() for group in together]
    if data.classes is not None:
        return {group.name: _of_labelled(group) for group in groups}
    if data.recording is None:
        return {group.name: _of_scan(group, kind) for group in groups}
    samples = _of_recording(data.recording, kind)
    return dict.fromkeys((group.name for group in groups), samples)


def _of_recording(recording: Recording, kind: str) -> Samples:
    if kind == "images":
        index, responses = np.arange(len(recording.stimuli)), recording.mean_over_trials()
    else:
        index, responses = recording.image_index, recording.responses
    return Samples(recording.stimuli, index, responses.astype("f4"), len(recording.responses))


def _of_labelled(group: LabelledGroup) -> LabelledSamples:
    parts = tuple(group.recorded.parts[name] for name in LABELLED_PARTS)
    return LabelledSamples(parts, len(group.neurons), group.n_listed)


def _of_scan(group: Group, kind: str) -> Samples:
    scan = group.recorded
    if kind == "images":
        return _of_recording(scan.recording(), kind)
    return Samples(scan.stimuli, scan.image_index, scan.responses, group.n_listed)
