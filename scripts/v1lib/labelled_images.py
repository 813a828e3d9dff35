"""Images with labels, on disk as memory-mapped arrays, read as far as needed.

A data set is a folder that appears whole::

    images.json        format, dataset, source_kind, generated, classes in label order, parts
    <part>/images.npy  uint8 [n_images, height, width, 3], red, green, blue
    <part>/labels.npy  int64 [n_images], position of the class in ``classes``
    <part>/aspect.npy  float32 [n_images], width over height of the original, where images of all
                       proportions were squeezed into squares; else absent

Parts are ``train`` and ``validation``, in data sets of corrupted images ``<corruption>-<severity>``
such as ``gaussian_noise-3``. Parts may differ in height and width.

``open_labelled`` maps the images: rows are read when they are indexed. The writer needs not know
how many images will come, and holds none of them.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from v1lib.files import atomic_folder, read_json, write_json

FORMAT = 1
SOURCE_KINDS = ("real", "simulated")
CHANNELS = 3

_PART = re.compile(r"[a-z][a-z0-9_]*(-\d+)?")
_KEYS = {"format", "dataset", "source_kind", "generated", "classes", "parts"}
_AGAIN = "remove the folder and make it again"


@dataclass(frozen=True)
class Part:
    """Some images of a data set.

    Attributes:
        images: uint8 [n, height, width, 3], mapped from its file.
        labels: int64 [n].
        aspect: float32 [n], width over height of the originals; None where images are stored in
            their own proportions.
    """

    images: np.ndarray
    labels: np.ndarray
    aspect: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class LabelledImages:
    """A data set for classification.

    Attributes:
        dataset: its name.
        source_kind: "real" or "simulated".
        generated: whether its images were corrupted here, and are not a published corrupted set.
        classes: names in the order of the labels.
        parts: by name.
    """

    dataset: str
    source_kind: str
    generated: bool
    classes: list[str]
    parts: Mapping[str, Part]


def open_labelled(folder: Path) -> LabelledImages:
    """A data set; of the images nothing is read.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged or truncated, of another format, shape or type; the message
            names it.
    """
    about = read_json(folder / "images.json")
    if not isinstance(about, dict) or set(about) != _KEYS or about["format"] != FORMAT:
        raise ValueError(f"{folder / 'images.json'} is not of format {FORMAT}; {_AGAIN}")
    parts = {name: _opened(folder / name, len(about["classes"])) for name in about["parts"]}
    return LabelledImages(
        *(about[key] for key in ("dataset", "source_kind", "generated", "classes")), parts
    )


def _opened(folder: Path, n_classes: int) -> Part:
    images = _array(folder / "images.npy", "u1", mapped=True)
    if images.ndim != 4 or images.shape[3] != CHANNELS or 0 in images.shape:
        raise ValueError(
            f"{folder / 'images.npy'} has shape {images.shape}, expected "
            f"(n_images, height, width, {CHANNELS}); {_AGAIN}"
        )
    labels = _array(folder / "labels.npy", "i8")
    has_aspect = (folder / "aspect.npy").exists()
    aspect = _array(folder / "aspect.npy", "f4") if has_aspect else None
    for name, array in {"labels": labels, "aspect": aspect}.items():
        if array is not None and array.shape != images.shape[:1]:
            raise ValueError(
                f"{folder / name}.npy has shape {array.shape}, expected {images.shape[:1]}; "
                f"{_AGAIN}"
            )
    if not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(
            f"{folder / 'labels.npy'} has labels from {labels.min()} to {labels.max()}, but there "
            f"are {n_classes} classes; {_AGAIN}"
        )
    return Part(images, labels, aspect)


def _array(path: Path, kind: str, *, mapped: bool = False) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except FileNotFoundError:
        raise
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is damaged or truncated ({error}); {_AGAIN}") from error
    if array.dtype != np.dtype(kind):
        raise ValueError(f"{path} is of type {array.dtype}, expected {np.dtype(kind)}; {_AGAIN}")
    return array


@dataclass
class PartWriter:
    """Takes the images of a part one after the other; see ``LabelledWriter.part``.

    Attributes:
        file: where their bytes go, behind the header.
        size_px: height and width.
        labels, aspects: of the images taken so far.
    """

    file: BinaryIO
    size_px: tuple[int, int]
    labels: list[int] = field(default_factory=list)
    aspects: list[float] = field(default_factory=list)

    def add(self, image: np.ndarray, label: int, *, aspect: float | None = None) -> None:
        """Write one image.

        Args:
            image: uint8 [height, width, 3].
            label: position of its class.
            aspect: width over height of the original, for all images of a part or for none.

        Raises:
            ValueError: the image is of another shape or type.
        """
        shape = (*self.size_px, CHANNELS)
        if image.shape != shape or image.dtype != np.uint8:
            raise ValueError(f"an image is {image.dtype} {image.shape}, expected uint8 {shape}")
        self.file.write(np.ascontiguousarray(image))
        self.labels.append(label)
        if aspect is not None:
            self.aspects.append(aspect)


class LabelledWriter:
    """Writes the parts of a data set one after the other; see ``new_labelled``."""

    def __init__(self, folder: Path, n_classes: int) -> None:
        self.folder = folder
        self.n_classes = n_classes
        self.parts: list[str] = []

    @contextmanager
    def part(self, name: str, size_px: Sequence[int]) -> Iterator[PartWriter]:
        """Write a part.

        Args:
            name: such as ``train`` or ``gaussian_noise-3``.
            size_px: height and width of its images.

        Raises:
            ValueError: the name is not allowed or there already, no image came, a label is of no
                class, or only some images came with their proportions.
        """
        if not _PART.fullmatch(name) or name in self.parts:
            raise ValueError(f"{name!r} cannot be the name of a part of {self.parts}")
        height, width = size_px
        (self.folder / name).mkdir()
        with (self.folder / name / "images.npy").open("wb") as file:
            file.write(_header(0, height, width))
            writer = PartWriter(file, (height, width))
            yield writer
            self._check(name, writer)
            file.seek(0)
            file.write(_header(len(writer.labels), height, width))
        np.save(self.folder / name / "labels.npy", np.array(writer.labels, dtype=np.int64))
        if writer.aspects:
            np.save(self.folder / name / "aspect.npy", np.array(writer.aspects, dtype=np.float32))
        self.parts.append(name)

    def _check(self, name: str, writer: PartWriter) -> None:
        n_images = len(writer.labels)
        if not n_images:
            raise ValueError(f"part {name}: no image came")
        if not 0 <= min(writer.labels) <= max(writer.labels) < self.n_classes:
            raise ValueError(f"part {name}: a label is not below {self.n_classes}")
        if len(writer.aspects) not in (0, n_images):
            raise ValueError(
                f"part {name}: {len(writer.aspects)} of {n_images} images came with proportions"
            )


def _header(n_images: int, height: int, width: int) -> bytes:
    """Header of the file of images; NumPy leaves room for any ``n_images``, so it can grow."""
    header = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (n_images, height, width, CHANNELS)}
    np.lib.format.write_array_header_1_0(header, about)
    return header.getvalue()


@contextmanager
def new_labelled(
    folder: Path,
    *,
    dataset: str,
    source_kind: str,
    classes: Sequence[str],
    generated: bool = False,
) -> Iterator[LabelledWriter]:
    """Write a data set that appears, whole, when the block ends well.

    Args:
        folder: the data set; one that is there is replaced.
        dataset: its name.
        source_kind: "real" or "simulated".
        classes: names in the order of the labels.
        generated: see ``LabelledImages``.

    Raises:
        ValueError: unknown source kind, no classes or one twice, or no part was written.
    """
    if source_kind not in SOURCE_KINDS:
        raise ValueError(f"source_kind is {source_kind!r}, allowed: {', '.join(SOURCE_KINDS)}")
    if not classes or len(set(classes)) < len(classes):
        raise ValueError(f"{len(classes)} classes, {len(set(classes))} of them different")
    with atomic_folder(folder) as part:
        writer = LabelledWriter(part, len(classes))
        yield writer
        if not writer.parts:
            raise ValueError(f"{folder}: no part was written")
        about = {"format": FORMAT, "dataset": dataset, "source_kind": source_kind}
        about |= {"generated": generated, "classes": list(classes), "parts": writer.parts}
        write_json(about, part / "images.json")
