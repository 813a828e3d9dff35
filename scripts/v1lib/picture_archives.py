"""Collections of labelled pictures in archives or folders, as they are published.

Known are the layouts of

* Tiny-ImageNet-200: ``train/<class>/images/*``, ``val/images/*`` with ``val/val_annotations.txt``
  (file and class, then anything, separated by tabulators);
* Tiny-ImageNet-C: ``<corruption>/<severity>/<class>/*``;
* class folders as the usual loaders read them: ``train/<class>/*``, ``val/<class>/*``.

A folder may stand above all of them. Classes are numbered by their sorted names everywhere, and
pictures come by class and name, so an archive and an unpacked copy give the same data set. Nothing
is extracted: a picture is read when it is asked for.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from v1lib.archives import Limits, open_files

PICTURE_SUFFIXES = (".jpeg", ".jpg", ".png")

# The largest collection has 1.3 million pictures in 138 GB.
LIMITS = Limits(total_bytes=2**38, members=2_000_000)

_ANNOTATIONS = "val/val_annotations.txt"


@dataclass(frozen=True)
class Picture:
    """A picture that has not been read.

    Attributes:
        origin: archive and member, for messages.
        label: position of its class.
        read: gives the content of its file.
    """

    origin: str
    label: int
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Pictures:
    """A collection.

    Attributes:
        classes: sorted names.
        parts: pictures by the name of their part, such as train and validation; each may be gone
            through once.
        numbers: of pictures in each part, where known beforehand.
    """

    classes: list[str]
    parts: Mapping[str, Iterable[Picture]]
    numbers: Mapping[str, int]


@contextmanager
def open_tiny_imagenet(archives: Sequence[Path]) -> Iterator[Pictures]:
    """Training and validation pictures of Tiny-ImageNet-200, or of a part of its classes.

    Raises:
        ValueError: not one archive, or it lacks pictures or annotations, or these do not fit; the
            message says what is missing.
        FileNotFoundError, UnsafeArchive, DamagedArchive: see ``v1lib.archives``.
    """
    archive = _only(archives)
    with open_files(archive, limits=LIMITS) as files:
        top = _top(files, _ANNOTATIONS, archive)
        train = _by_class(files, rf"{re.escape(top)}train/([^/]+)/images/[^/]+")
        if not train:
            raise ValueError(f"{archive} has no pictures {top}train/<class>/images/<name>.JPEG")
        of_file = annotations_of(files[top + _ANNOTATIONS](), f"{archive}, {top}{_ANNOTATIONS}")
        validation: dict[str, list[str]] = {}
        for name, its_class in of_file.items():
            validation.setdefault(its_class, []).append(f"{top}val/images/{name}")
        _check_annotated(files, validation, archive, f"{top}val/images/")
        yield _collection(archive, files, {"train": train, "validation": validation})


def annotations_of(content: bytes, origin: str) -> dict[str, str]:
    """The class of each file, from lines whose first two entries they are.

    Raises:
        ValueError: a line has no class, a file stands there twice, or there are none.
    """
    classes: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        entries = line.split("\t")
        if not line.strip():
            continue
        if len(entries) < 2 or not all(entries[:2]):
            raise ValueError(f"{origin}: line {number} is {line!r}, expected file, tab, class")
        if entries[0] in classes:
            raise ValueError(f"{origin}: line {number} names {entries[0]} again")
        classes[entries[0]] = entries[1]
    if not classes:
        raise ValueError(f"{origin} has no lines")
    return classes


def _check_annotated(
    files: Mapping[str, object], by_class: Mapping[str, list[str]], archive: Path, folder: str
) -> None:
    annotated = {name for names in by_class.values() for name in names}
    present = {name for name in files if name.startswith(folder) and is_picture(name)}
    if missing := sorted(annotated - present):
        raise ValueError(
            f"{archive}: {len(missing)} of {len(annotated)} annotated pictures are missing, the "
            f"first is {missing[0]}"
        )
    if unknown := sorted(present - annotated):
        raise ValueError(
            f"{archive}: {len(unknown)} pictures have no annotation, the first is {unknown[0]}"
        )


@contextmanager
def open_tiny_imagenet_c(archives: Sequence[Path]) -> Iterator[Pictures]:
    """Corrupted pictures; a part for each corruption and severity, such as ``snow-3``.

    Raises:
        ValueError: not one archive, no such pictures, or parts differ in their classes.
        FileNotFoundError, UnsafeArchive, DamagedArchive: see ``v1lib.archives``.
    """
    archive = _only(archives)
    with open_files(archive, limits=LIMITS) as files:
        parts: dict[str, dict[str, list[str]]] = {}
        for name in files:
            found = re.fullmatch(r"(?:.*/)?([a-z_]+)/([1-5])/([^/]+)/[^/]+", name)
            if found and is_picture(name):
                part = parts.setdefault(f"{found[1]}-{found[2]}", {})
                part.setdefault(found[3], []).append(name)
        if not parts:
            raise ValueError(
                f"{archive} has no pictures <corruption>/<severity>/<class>/<name>.JPEG; it has "
                f"{sorted(files)[:5]}"
            )
        yield _collection(archive, files, dict(sorted(parts.items())))


@contextmanager
def open_class_folders(archives: Sequence[Path]) -> Iterator[Pictures]:
    """Training and validation pictures in a folder per class.

    Raises:
        ValueError: not one archive or folder, or it has no such pictures, or validation pictures
            that stand in no class folder.
        FileNotFoundError, UnsafeArchive, DamagedArchive: see ``v1lib.archives``.
    """
    archive = _only(archives)
    with open_files(archive, limits=LIMITS) as files:
        top = _top(files, "train/", archive)
        folders = {"train": "train", "validation": "val"}
        parts = {
            part: _by_class(files, rf"{re.escape(top)}{folder}/([^/]+)/[^/]+")
            for part, folder in folders.items()
        }
        for part, folder in folders.items():
            if not parts[part]:
                raise ValueError(
                    f"{archive} has no pictures {top}{folder}/<class>/<name>.JPEG; pictures that "
                    "are not sorted into class folders have no labels"
                )
        yield _collection(archive, files, parts)


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its name; those that systems hide are not."""
    return name.lower().endswith(PICTURE_SUFFIXES) and not name.rpartition("/")[2].startswith(".")


def _only(archives: Sequence[Path]) -> Path:
    if len(archives) != 1:
        raise ValueError(f"{len(archives)} archives {list(map(str, archives))}, expected one")
    return archives[0]


def _top(files: Iterable[str], wanted: str, archive: Path) -> str:
    """What stands before ``wanted`` in the names of the files: nothing, or a folder and a slash."""
    hidden = "__MACOSX/"
    tops = {
        found[1]
        for name in files
        if (found := re.match(rf"((?:[^/]+/)*?){re.escape(wanted)}", name))
        and not name.startswith(hidden)
    }
    if not tops:
        raise ValueError(f"{archive} has no {wanted}; it has {sorted(files)[:5]}")
    if len(tops) > 1:
        raise ValueError(f"{archive} has several {wanted}, below {sorted(tops)}")
    return tops.pop()


def _by_class(files: Iterable[str], pattern: str) -> dict[str, list[str]]:
    """Names of pictures by the class that the pattern finds in them."""
    found: dict[str, list[str]] = {}
    for name in files:
        if (match := re.fullmatch(pattern, name)) and is_picture(name):
            found.setdefault(match[1], []).append(name)
    return found


def _collection(
    archive: Path,
    files: Mapping[str, Callable[[], bytes]],
    parts: Mapping[str, Mapping[str, list[str]]],
) -> Pictures:
    first, by_class = next(iter(parts.items()))
    classes = sorted(by_class)
    for part, its_classes in parts.items():
        if odd := sorted(set(its_classes) ^ set(classes)):
            raise ValueError(
                f"{archive}: class {odd[0]} has pictures in one of {first} and {part} only"
            )

    def pictures(part: str) -> Iterator[Picture]:
        for label, name in enumerate(classes):
            for file in sorted(parts[part][name]):
                yield Picture(f"{archive}, {file}", label, files[file])

    numbers = {part: sum(map(len, its.values())) for part, its in parts.items()}
    return Pictures(classes, {part: pictures(part) for part in parts}, numbers)
