"""A data set as models meet it: groups of neurons, and which of them one network predicts.

The neurons of a recording session, or those of a scan, are a group. A recording has one network
for each session; a data set of scans has one network for all its scans, so that they can share a
core.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from v1lib.recording import Recording, ScanInfo, load_recording
from v1lib.scans import Scan, open_scans
from v1lib.splits import split_codes

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
class DataSet:
    """A recording or a data set of scans.

    Attributes:
        name, source_kind: as in ``Recording``.
        together: groups that one network predicts, by the session of its run.
        recording: what it was made of, if that is a recording.
    """

    name: str
    source_kind: str
    together: Mapping[str, tuple[Group, ...]]
    recording: Recording | None = None

    @property
    def stimulus_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        return tuple(self._first.recorded.stimuli.shape[1:])

    @property
    def background(self) -> float:
        """Grey value around the images, see ``Recording.background``."""
        if self.recording is not None:
            return self.recording.background
        return self._first.recorded.facts.image_mean

    @property
    def _first(self) -> Group:
        return next(iter(self.together.values()))[0]


def of_recording(recording: Recording) -> DataSet:
    """A recording, with one network for each session."""
    groups = {
        session: (Group(session, recording, recording.neurons_of(session)),)
        for session in recording.session_names
    }
    return DataSet(recording.dataset, recording.source_kind, groups, recording)


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
    return DataSet(first.dataset, first.source_kind, {ALL_SCANS: groups})


def open_data_set(path: Path) -> DataSet:
    """A recording (file) or a data set of scans (folder).

    Raises:
        FileNotFoundError, ValueError: see ``load_recording`` and ``open_scans``.
    """
    return of_scans(open_scans(path)) if path.is_dir() else of_recording(load_recording(path))
