"""A data set as models meet it: groups of neurons, and which of them one network predicts.

The neurons of a recording session, or those of a scan, are a group. A recording has one network
for each session; a data set of scans has one network for all its scans, so that they can share a
core. Labelled images are one group, whose "neurons" are the classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from v1lib.labelled_images import LabelledImages, open_labelled
from v1lib.recording import Recording, ScanInfo, load_recording
from v1lib.scans import Scan, open_scans
from v1lib.splits import SPLIT_CODES, split_codes

LABELLED_PARTS = ("train", "validation")
MIDDLE_GREY = 128.0
ALL_SCANS = "all"  # the session of a run on all scans of a data set


@dataclass(frozen=True)
class Group:
    """Neurons that were recorded together, and what they were shown.

    Attributes:
        name: of the session or the scan.
        recorded: where the arrays come from. Those of a scan may be mapped from their files.
        neurons: int64 [n_neurons], columns of its responses.
    """

    name: str
    recorded: Recording | Scan
    neurons: np.ndarray

    @property
    def is_scan(self) -> bool:
        """Whether single trials of many images were recorded, with positions of the neurons."""
        return isinstance(self.recorded, Scan)

    @property
    def n_listed(self) -> int:
        """Trials of all splits, those that the original lists without having files of them, too."""
        if self.is_scan:
            return self.recorded.facts.n_trials_listed
        return len(self.recorded.responses)

    @cached_property
    def codes(self) -> np.ndarray:
        """int8 [n_images], codes of ``v1lib.splits.SPLIT_CODES`` of the split of the data set."""
        return split_codes(self.recorded.split)

    @cached_property
    def first_shown(self) -> np.ndarray:
        """int64 [n_images], the images in the order of the trials that show them first."""
        images, first = np.unique(self.recorded.image_index, return_index=True)
        return images[np.argsort(first)]

    def info(self, neurons: np.ndarray, trials: np.ndarray) -> ScanInfo:
        """What a model may know of some neurons (columns), from these training trials."""
        if not self.is_scan:
            position = self.recorded.extras.get("neuron_position")
            return ScanInfo(
                name=self.name,
                mean_response=np.nanmean(self.recorded.responses[trials][:, neurons], 0).astype(
                    "f4"
                ),
                neuron_position=None if position is None else position[neurons],
            )
        scan = self.recorded
        matched = (scan.match_id >= 0).any()
        return ScanInfo(
            name=self.name,
            mean_response=scan.mean_response(trials)[neurons],
            neuron_position=scan.neuron_position[neurons],
            match_id=scan.match_id[neurons] if matched else None,
            image_mean=scan.facts.image_mean,
            image_sd=scan.facts.image_sd,
        )


@dataclass(frozen=True)
class LabelledGroup:
    """The training and validation images of a data set with labels, in this order.

    Attributes:
        recorded: the data set.
    """

    recorded: LabelledImages
    name: str = "images"
    is_scan: bool = False

    @property
    def neurons(self) -> np.ndarray:
        """int64 [n_classes], one output for each class."""
        return np.arange(len(self.recorded.classes))

    @cached_property
    def codes(self) -> np.ndarray:
        """int8 [n_images], see ``Group``."""
        sizes = [len(self.recorded.parts[part]) for part in LABELLED_PARTS]
        return np.repeat([SPLIT_CODES[part] for part in LABELLED_PARTS], sizes).astype(np.int8)

    @property
    def first_shown(self) -> np.ndarray:
        """int64 [n_images], see ``Group``."""
        return np.arange(len(self.codes))

    @property
    def n_listed(self) -> int:
        """See ``Group``."""
        return len(self.codes)


@dataclass(frozen=True)
class DataSet:
    """A recording, a data set of scans, or labelled images.

    Attributes:
        name, source_kind: as in ``Recording``.
        together: groups that one network predicts, by the session of its run.
        stimulus_shape: (channels, height, width) of one image as networks see it.
        background: grey value around the images, see ``Recording.background``.
        recording: what it was made of, if that is a recording.
        classes: names of the labels, if it has labels.
    """

    name: str
    source_kind: str
    together: Mapping[str, tuple[Group | LabelledGroup, ...]]
    stimulus_shape: tuple[int, int, int]
    background: float
    recording: Recording | None = None
    classes: Sequence[str] | None = None


def of_recording(recording: Recording) -> DataSet:
    """A recording, with one network for each session."""
    groups = {
        session: (Group(session, recording, recording.neurons_of(session)),)
        for session in recording.session_names
    }
    return DataSet(
        name=recording.dataset,
        source_kind=recording.source_kind,
        together=groups,
        stimulus_shape=tuple(recording.stimuli.shape[1:]),
        background=recording.background,
        recording=recording,
    )


def of_scans(scans: Mapping[str, Scan]) -> DataSet:
    """Scans, with one network for all.

    Raises:
        ValueError: there is none, or their images differ in size.
    """
    sizes = {name: scan.stimuli.shape[1:] for name, scan in scans.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"scans of one data set need images of one size, found {sizes}")
    groups = tuple(Group(name, scan, np.arange(scan.n_neurons)) for name, scan in scans.items())
    first = groups[0].recorded
    return DataSet(
        name=first.dataset,
        source_kind=first.source_kind,
        together={ALL_SCANS: groups},
        stimulus_shape=tuple(first.stimuli.shape[1:]),
        background=first.facts.image_mean,
    )


def of_labelled(images: LabelledImages) -> DataSet:
    """Images with labels, for one classifier.

    Raises:
        ValueError: there are no training or no validation images.
    """
    if missing := sorted(set(LABELLED_PARTS) - set(images.parts)):
        raise ValueError(f"data set {images.dataset} has no {missing[0]} images to train with")
    group = LabelledGroup(images)
    return DataSet(
        name=images.dataset,
        source_kind=images.source_kind,
        together={group.name: (group,)},
        stimulus_shape=(3, *images.parts["validation"].images.shape[1:3]),
        background=MIDDLE_GREY,
        classes=images.classes,
    )


def open_data_set(path: Path) -> DataSet:
    """A recording (file), a data set of scans, or labelled images (folders).

    Raises:
        FileNotFoundError, ValueError: see ``load_recording``, ``open_scans``, ``open_labelled``.
    """
    if not path.is_dir():
        return of_recording(load_recording(path))
    if (path / "images.json").exists():
        return of_labelled(open_labelled(path))
    return of_scans(open_scans(path))
