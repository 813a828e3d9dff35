"""ImageNet as its owners hand it out: the archives of ILSVRC 2012, and its release in 64 x 64 px.

The three archives of ILSVRC 2012 are a tar of one tar per class (training), a tar of pictures
without labels (validation), and a development kit with the labels of the latter. The small release
(Chrabaszcz, Loshchilov & Hutter 2017, arXiv 1707.08819) are zips of ``.npz`` files with ``data``
uint8 [n, 3 * 64 * 64], planes of red, green and blue, and ``labels`` from 1.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from v1lib.archives import open_files
from v1lib.picture_archives import (
    LIMITS,
    Picture,
    Pictures,
    is_picture,
    open_class_folders,
)

SMALL_PX = 64

_ROLES = {"train": "img_train", "validation": "img_val", "kit": "devkit"}
_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
_SYNSETS = "data/meta.mat"


@contextmanager
def open_imagenet(archives: Sequence[Path]) -> Iterator[Pictures]:
    """Training and validation pictures of ImageNet.

    Args:
        archives: the three archives under their own names, in any order; or one folder or archive
            of class folders (``v1lib.picture_archives``).

    Raises:
        ValueError: archives are missing, or their content is not as published; the message names
            archive and member.
        FileNotFoundError, UnsafeArchive, DamagedArchive: see ``v1lib.archives``.
    """
    with ExitStack() as stack:
        if len(archives) == 1:
            yield stack.enter_context(open_class_folders(archives))
            return
        own = {role: _with_name(archives, word) for role, word in _ROLES.items()}
        files = {
            role: stack.enter_context(open_files(archive, limits=LIMITS))
            for role, archive in own.items()
        }
        classes = sorted(name.removesuffix(".tar") for name in files["train"] if _is_class(name))
        if not classes:
            raise ValueError(f"{own['train']} has no archives <class>.tar")
        named = {
            name.rpartition("/")[2]: read
            for name, read in files["validation"].items()
            if is_picture(name)
        }
        labels = _labels_of_validation(files["kit"], own["kit"], sorted(named), classes)
        parts = {
            "train": _of_classes(own["train"], files["train"], classes),
            "validation": (
                Picture(f"{own['validation']}, {name}", label, named[name])
                for name, label in labels.items()
            ),
        }
        yield Pictures(classes, parts, {"validation": len(labels)})


@contextmanager
def open_imagenet64(archives: Sequence[Path]) -> Iterator[Pictures]:
    """Pictures of the small release; ``read`` gives the bytes of three planes of 64 x 64 px.

    Classes are named by their numbers in the release, whose order is not that of the WordNet names.

    Raises:
        ValueError: no ``.npz`` file of training or validation pictures, or one is not as published;
            the message names archive and member.
        FileNotFoundError, UnsafeArchive, DamagedArchive: see ``v1lib.archives``.
    """
    with ExitStack() as stack:
        batches: dict[str, dict[str, Callable[[], bytes]]] = {"train": {}, "validation": {}}
        for archive in archives:
            for name, read in stack.enter_context(open_files(archive, limits=LIMITS)).items():
                if found := re.fullmatch(r"(?:.*/)?(train|val)_data[_0-9a-z]*\.npz", name):
                    part = "train" if found[1] == "train" else "validation"
                    batches[part][f"{archive}, {name}"] = read
        for part, files in batches.items():
            if not files:
                raise ValueError(
                    f"no {part} pictures (*_data*.npz) in {', '.join(map(str, archives))}"
                )
        # The validation pictures show every class.
        [(origin, read), *_] = batches["validation"].items()
        n_classes = int(_small_batch(read(), origin)[1].max()) + 1
        classes = [f"class_{number:04d}" for number in range(1, n_classes + 1)]
        yield Pictures(classes, {part: _planes(its) for part, its in batches.items()}, {})


def from_planes(content: bytes) -> np.ndarray:
    """What ``read`` of the small release gives, as uint8 [64, 64, 3]."""
    planes = np.frombuffer(content, dtype=np.uint8).reshape(3, SMALL_PX, SMALL_PX)
    return planes.transpose(1, 2, 0)


def _with_name(archives: Sequence[Path], word: str) -> Path:
    found = [archive for archive in archives if word in archive.name]
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} of the archives {[archive.name for archive in archives]} have {word!r} "
            "in their names, expected ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and "
            "ILSVRC2012_devkit_t12.tar.gz"
        )
    return found[0]


def _is_class(name: str) -> bool:
    return re.fullmatch(r"[^/]+\.tar", name) is not None


def _of_classes(
    archive: Path, files: Mapping[str, Callable[[], bytes]], classes: Sequence[str]
) -> Iterator[Picture]:
    """Pictures out of one archive per class; each must be read before the next is asked for."""
    for label, name in enumerate(classes):
        origin = f"{archive}, {name}.tar"
        with open_files(BytesIO(files[f"{name}.tar"]()), name=origin) as pictures:
            if not any(map(is_picture, pictures)):
                raise ValueError(f"{origin} has no pictures")
            for file in sorted(filter(is_picture, pictures)):
                yield Picture(f"{origin}, {file}", label, pictures[file])


def _labels_of_validation(
    kit: Mapping[str, Callable[[], bytes]],
    origin: Path,
    names: Sequence[str],
    classes: Sequence[str],
) -> dict[str, int]:
    """Label of each validation picture, in the order of their numbers."""
    truth, synsets = (
        next((read for name, read in kit.items() if name.endswith(wanted)), None)
        for wanted in (_TRUTH, _SYNSETS)
    )
    if truth is None or synsets is None:
        raise ValueError(f"{origin} lacks {_TRUTH} or {_SYNSETS}; it has {sorted(kit)[:5]}")
    of_number = _class_of_number(synsets(), f"{origin}, {_SYNSETS}")
    numbers = truth().split()
    if len(numbers) != len(names):
        raise ValueError(
            f"{origin}, {_TRUTH} has {len(numbers)} lines, but there are {len(names)} pictures"
        )
    labels = {}
    for name, number in zip(names, numbers, strict=True):
        its_class = of_number.get(int(number))
        if its_class not in classes:
            raise ValueError(f"{origin}: {name} is of class {int(number)}, which has no pictures")
        labels[name] = classes.index(its_class)
    return labels


def _class_of_number(content: bytes, origin: str) -> dict[int, str]:
    """WordNet names by the numbers of the challenge."""
    try:
        synsets = loadmat(BytesIO(content), squeeze_me=True)["synsets"]
        numbers, names = synsets["ILSVRC2012_ID"], synsets["WNID"]
        return {int(number): str(name) for number, name in zip(numbers, names, strict=True)}
    except (ValueError, KeyError, TypeError, IndexError, NotImplementedError) as error:
        raise ValueError(f"{origin} is damaged or not as published ({error})") from error


def _planes(files: Mapping[str, Callable[[], bytes]]) -> Iterator[Picture]:
    for origin in sorted(files, key=_batch_number):
        data, labels = _small_batch(files[origin](), origin)
        for row, label in enumerate(labels):
            yield Picture(f"{origin}, row {row}", int(label), data[row].tobytes)


def _batch_number(origin: str) -> tuple[int, str]:
    return int(re.search(r"(\d*)\.npz$", origin)[1] or 0), origin


def _small_batch(content: bytes, origin: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and labels from 0 of an ``.npz`` file, checked."""
    try:
        with np.load(BytesIO(content), allow_pickle=False) as arrays:
            data, labels = arrays["data"], arrays["labels"].astype(np.int64) - 1
    except (ValueError, KeyError, EOFError, OSError) as error:
        raise ValueError(f"{origin} is damaged or not as published ({error})") from error
    n_bytes = 3 * SMALL_PX**2
    if data.dtype != np.uint8 or data.shape != (len(labels), n_bytes) or labels.min() < 0:
        raise ValueError(
            f"{origin}: data is {data.dtype} {data.shape}, expected uint8 "
            f"({len(labels)}, {n_bytes}), and labels begin at {labels.min() + 1}, expected 1"
        )
    return data, labels
