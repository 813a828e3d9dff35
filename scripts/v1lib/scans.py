"""Data sets of one or several scans, on disk as memory-mapped arrays, read as far as needed.

A data set is a folder that appears whole::

    scans.json               format, dataset, source_kind, names of the scans in their order
    <scan>/scan.json         ``ScanFacts``
    <scan>/stimuli.npy       float32 [n_images, 1, height, width], raw grey values (0 to 255)
    <scan>/responses.npy     float32 [n_trials, n_neurons], times the precision of each neuron
    <scan>/image_index.npy   int64 [n_trials], row of the stimuli that was shown
    <scan>/trial.npy         int64 [n_trials], number of the trial in the files of the scan
    <scan>/split.npy         str [n_images], train, validation or test
    <scan>/image_id.npy      int64 [n_images], ``frame_image_id`` of the original
    <scan>/image_class.npy   str [n_images]
    <scan>/neuron_position.npy  float64 [n_neurons, 3], motor coordinates x, y, z in micrometres
    <scan>/unit_id.npy       int64 [n_neurons]
    <scan>/match_id.npy      int64 [n_neurons], equal for one neuron in several scans, -1 without
    <scan>/layer.npy         str [n_neurons], cortical layer
    <scan>/response_sd.npy   float64 [n_neurons], statistics of the original, before normalisation
    <scan>/precision.npy     float64 [n_neurons], what the responses were multiplied by

``open_scans`` maps the two large arrays, so a scan may be larger than memory: rows are read when
they are indexed. A trainer draws trials of a split and streams them, the next batches being read
while one is computed::

    scan = open_scans(folder)["20457-5-9-0"]
    order = rng.permutation(scan.trials("train"))
    batches = np.split(order, range(64, len(order), 64))
    for images, responses in read_batches(scan, batches, neurons=columns):
        ...  # float32 [n, 1, height, width] and [n, n_columns], in memory and contiguous

The mapped pages are those of the file cache: they are given back when memory is short, and
several processes share them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from v1lib.files import atomic_folder, read_json, write_json
from v1lib.read_ahead import read_ahead
from v1lib.recording import Recording

FORMAT = 1
SPLITS = ("train", "validation", "test")
ROWS_AT_A_TIME = 512  # of the responses, where all of them are read once

_MAPPED = {"stimuli": "f4", "responses": "f4"}
_OF_TRIALS = {"image_index": "i8", "trial": "i8"}
_OF_IMAGES = {"split": "U", "image_id": "i8", "image_class": "U"}
_OF_NEURONS = {
    "neuron_position": "f8",
    "unit_id": "i8",
    "match_id": "i8",
    "layer": "U",
    "response_sd": "f8",
    "precision": "f8",
}
_SMALL = _OF_TRIALS | _OF_IMAGES | _OF_NEURONS


@dataclass(frozen=True)
class ScanFacts:
    """Numbers that describe a scan.

    Attributes:
        name: data key, such as 20457-5-9-0.
        n_trials_listed: trials of all splits that the original lists, those without files too;
            the published loss is scaled by the root of it over the batch size (trainers.py).
        image_mean, image_sd: grey values of the original's statistics, at its full size.
        origin: archive and folder.
    """

    name: str
    n_trials_listed: int
    image_mean: float
    image_sd: float
    origin: str

    @property
    def animal(self) -> str:
        """The first part of the name."""
        return self.name.split("-")[0]


@dataclass(frozen=True)
class Scan:
    """One scan; arrays as the module says, ``stimuli`` and ``responses`` mapped from their files.

    Everything else is in memory.
    """

    facts: ScanFacts
    dataset: str
    source_kind: str
    stimuli: np.ndarray
    responses: np.ndarray
    image_index: np.ndarray
    trial: np.ndarray
    split: np.ndarray
    image_id: np.ndarray
    image_class: np.ndarray
    neuron_position: np.ndarray
    unit_id: np.ndarray
    match_id: np.ndarray
    layer: np.ndarray
    response_sd: np.ndarray
    precision: np.ndarray

    @property
    def name(self) -> str:
        """Data key of the scan."""
        return self.facts.name

    @property
    def n_neurons(self) -> int:
        """Columns of the responses."""
        return self.responses.shape[1]

    def trials(self, split: str) -> np.ndarray:
        """Rows of ``responses`` of a split, in the order of the files: int64 [n].

        Raises:
            ValueError: no such split.
        """
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}, allowed: {', '.join(SPLITS)}")
        return np.flatnonzero(self.split[self.image_index] == split)

    def repeats(self, split: str = "test") -> list[np.ndarray]:
        """Rows of ``responses`` of each image of a split, as many as it was shown.

        Returns:
            One int64 array for each image, in the order of ``np.flatnonzero(scan.split == split)``.
        """
        trials = self.trials(split)
        trials = trials[np.argsort(self.image_index[trials], kind="stable")]
        image = self.image_index[trials]
        return np.split(trials, np.flatnonzero(np.diff(image)) + 1) if len(trials) else []

    def mean_response(self, trials: np.ndarray) -> np.ndarray:
        """Mean over trials, read a few rows at a time: float32 [n_neurons]."""
        total = np.zeros(self.n_neurons)
        for first in range(0, len(trials), ROWS_AT_A_TIME):
            total += self.responses[trials[first : first + ROWS_AT_A_TIME]].sum(0, dtype=np.float64)
        return (total / len(trials)).astype(np.float32)

    def recording(self) -> Recording:
        """The scan in the form of a recording; its arrays stay mapped, steps may copy them."""
        return Recording(
            stimuli=self.stimuli,
            responses=self.responses,
            image_index=self.image_index,
            session=np.full(self.n_neurons, self.name),
            split=self.split,
            n_averaged=np.ones(len(self.responses), dtype=np.int64),
            dataset=self.dataset,
            source_kind=self.source_kind,
            extras={"neuron_position": self.neuron_position},
        )


def read_batches(
    scan: Scan,
    batches: Iterable[np.ndarray],
    *,
    neurons: np.ndarray | None = None,
    n_ahead: int = 2,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images and responses of batches of trials, the next ones read in the background.

    Args:
        scan: where they come from.
        batches: int [n] rows of ``responses`` each; taken as they are needed, so it may be endless.
        neurons: int [k] columns, in the order wanted; all without.
        n_ahead: batches that are read before they are asked for; memory grows with it.

    Yields:
        float32 [n, 1, height, width] and float32 [n, k].
    """

    def read(trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = scan.stimuli[scan.image_index[trials]]
        responses = scan.responses[trials]
        return images, responses if neurons is None else responses.take(neurons, axis=1)

    yield from read_ahead(read, batches, n_ahead=n_ahead)


def open_scans(folder: Path) -> dict[str, Scan]:
    """The scans of a data set by name, in their order; nothing large is read.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged or truncated, of another format, shape or type; the message
            names it.
    """
    about = read_json(folder / "scans.json")
    expected = {"format", "dataset", "source_kind", "scans"}
    if not isinstance(about, dict) or set(about) != expected or about["format"] != FORMAT:
        raise ValueError(
            f"{folder / 'scans.json'} does not describe scans of format {FORMAT}; "
            "remove the folder and make it again"
        )
    return {
        name: _opened(folder / name, about["dataset"], about["source_kind"])
        for name in about["scans"]
    }


def _opened(folder: Path, dataset: str, source_kind: str) -> Scan:
    facts = read_json(folder / "scan.json")
    if not isinstance(facts, dict) or set(facts) != {entry.name for entry in fields(ScanFacts)}:
        raise ValueError(f"{folder / 'scan.json'} has other keys; remove the folder, make it again")
    arrays = {name: _array(folder / f"{name}.npy", mapped=True) for name in _MAPPED}
    arrays |= {name: _array(folder / f"{name}.npy") for name in _SMALL}
    _check(folder, arrays)
    return Scan(ScanFacts(**facts), dataset, source_kind, **arrays)


def _array(path: Path, *, mapped: bool = False) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except FileNotFoundError:
        raise
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} is damaged or truncated ({error}); remove the folder and make it again"
        ) from error


def _check(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays fit together and are of their types.

    Raises:
        ValueError: the message names the file.
    """
    for name, kind in (_MAPPED | _SMALL).items():
        found = arrays[name].dtype
        if found.kind != "U" if kind == "U" else found != np.dtype(kind):
            raise ValueError(f"{folder / name}.npy is of type {found}, expected {kind}")
    n_images, n_trials = len(arrays["stimuli"]), len(arrays["responses"])
    n_neurons = arrays["responses"].shape[-1]
    shapes = {"stimuli": (n_images, 1, *arrays["stimuli"].shape[-2:])}
    shapes |= {"responses": (n_trials, n_neurons)}
    shapes |= dict.fromkeys(_OF_TRIALS, (n_trials,)) | dict.fromkeys(_OF_IMAGES, (n_images,))
    shapes |= dict.fromkeys(_OF_NEURONS, (n_neurons,)) | {"neuron_position": (n_neurons, 3)}
    for name, expected in shapes.items():
        if arrays[name].shape != expected or 0 in expected:
            raise ValueError(
                f"{folder / name}.npy has shape {arrays[name].shape}, expected {expected}"
            )
    index = arrays["image_index"]
    if not 0 <= index.min() <= index.max() < n_images:
        raise ValueError(f"{folder}/image_index.npy points outside the {n_images} stimuli")
    if unknown := sorted(set(arrays["split"].tolist()) - set(SPLITS)):
        raise ValueError(f"{folder}/split.npy holds {unknown[0]!r}, allowed: {', '.join(SPLITS)}")


class ScanWriter:
    """Writes the scans of a data set one after the other; see ``new_scans``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    @contextmanager
    def scan(
        self, facts: ScanFacts, arrays: Mapping[str, np.ndarray], size_px: Sequence[int]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Write the small arrays of a scan and give the two large ones to be filled row by row.

        Args:
            facts: of the scan.
            arrays: all but ``stimuli`` and ``responses``.
            size_px: height and width of the stimuli.

        Yields:
            ``stimuli`` and ``responses``, mapped and writable, all zero.

        Raises:
            ValueError: an array is missing or does not fit; the message names it.
        """
        if missing := sorted(set(_SMALL) ^ set(arrays)):
            raise ValueError(f"scan {facts.name}: array {missing[0]!r} is missing or not known")
        folder = self.folder / facts.name
        folder.mkdir()
        shapes = {
            "stimuli": (len(arrays["split"]), 1, *size_px),
            "responses": (len(arrays["trial"]), len(arrays["unit_id"])),
        }
        large = {
            name: np.lib.format.open_memmap(
                folder / f"{name}.npy", mode="w+", dtype=_MAPPED[name], shape=shape
            )
            for name, shape in shapes.items()
        }
        _check(folder, large | arrays)
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        write_json(asdict(facts), folder / "scan.json")
        yield large["stimuli"], large["responses"]
        for array in large.values():
            array.flush()
        self.names.append(facts.name)


@contextmanager
def new_scans(folder: Path, *, dataset: str, source_kind: str) -> Iterator[ScanWriter]:
    """Write a data set that appears, whole, when the block ends well.

    Args:
        folder: the data set; one that is there is replaced.
        dataset: its name.
        source_kind: "real" or "simulated".

    Raises:
        ValueError: unknown source kind, or no scan was written.
    """
    if source_kind not in ("real", "simulated"):
        raise ValueError(f"source_kind is {source_kind!r}, allowed: real, simulated")
    with atomic_folder(folder) as part:
        writer = ScanWriter(part)
        yield writer
        if not writer.names:
            raise ValueError(f"{folder}: no scan was written")
        about = {"format": FORMAT, "dataset": dataset, "source_kind": source_kind}
        write_json(about | {"scans": writer.names}, part / "scans.json")
