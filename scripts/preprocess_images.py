"""Pack labelled pictures into memory-mapped arrays."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from v1lib.imagenet_archives import from_planes, open_imagenet, open_imagenet64
from v1lib.labelled_images import PartWriter, new_labelled
from v1lib.picture_archives import Picture, Pictures, open_tiny_imagenet, open_tiny_imagenet_c
from v1lib.pictures import as_it_is, centre, decoded, squeezed
from v1lib.steps import Inputs, Output, Threads

log = logging.getLogger(__name__)

LAYOUTS = {
    "tiny_imagenet": open_tiny_imagenet,
    "tiny_imagenet_c": open_tiny_imagenet_c,
    "imagenet": open_imagenet,
    "imagenet64": open_imagenet64,
}
AHEAD = 32  # pictures per thread that are decoded before they are written
SAY_AFTER = 20_000  # pictures

Packed = tuple[np.ndarray, float | None]


def main(
    *,
    archives: Inputs,
    images: Output,
    source_kind: str,
    dataset: str,
    settings: dict,
    threads: Threads,
) -> None:
    """From archives of pictures, or a folder of them, to a folder of arrays, written once.

    Nothing is extracted; pictures are decoded in several threads and written in their order, which
    is that of the names of classes and files.

    Args:
        archives: files or folders as they are published (``v1lib.picture_archives``,
            ``v1lib.imagenet_archives``).
        images: folder to write (``v1lib.labelled_images``).
        source_kind: "real" or "simulated".
        dataset: name of the data set.
        settings: ``layout``, a name of ``LAYOUTS``; ``size_px``, side of the images; ``counts``,
            for ``classes`` and parts the numbers that must be found. For pictures of other sizes
            (layout imagenet) also ``train_size_px``, side of the squares that training pictures are
            squeezed into, and ``shorter_px`` and ``crop_px`` of ``v1lib.pictures.centre``, the form
            of validation pictures.
        threads: that decode.

    Raises:
        ValueError: the layout is unknown, or an archive is not as published or lacks something; the
            message names archive and member.
        FileNotFoundError, UnsafeArchive, DamagedArchive: see ``v1lib.archives``.
    """
    if settings["layout"] not in LAYOUTS:
        raise ValueError(f"layout is {settings['layout']!r}, allowed: {', '.join(LAYOUTS)}")
    about = {"dataset": dataset, "source_kind": source_kind}
    with (
        LAYOUTS[settings["layout"]](archives) as pictures,
        new_labelled(images, classes=pictures.classes, **about) as writer,
    ):
        check_count("classes", len(pictures.classes), settings)
        for name, of_part in pictures.parts.items():
            pack, size_px = packing_of(name, settings)
            with writer.part(name, (size_px, size_px)) as part:
                _pack_all(_noted(of_part, name, pictures), pack, part, threads=threads)
                check_count(name, len(part.labels), settings)


def packing_of(part: str, settings: Mapping) -> tuple[Callable[[Picture, bytes], Packed], int]:
    """How the pictures of a part are packed, and the side of the result in pixels."""
    size_px = settings["size_px"]
    if settings["layout"] == "imagenet64":
        return _from_planes, size_px
    if "train_size_px" not in settings:
        return partial(_as_it_is, size_px=size_px), size_px
    if part == "train":
        return partial(_squeezed, size_px=settings["train_size_px"]), settings["train_size_px"]
    sizes = {key: settings[key] for key in ("shorter_px", "crop_px", "size_px")}
    return partial(_centre, sizes=sizes), size_px


def _from_planes(picture: Picture, content: bytes) -> Packed:
    return from_planes(content), None


def _as_it_is(picture: Picture, content: bytes, *, size_px: int) -> Packed:
    image = decoded(content, origin=picture.origin)
    return as_it_is(image, size_px=size_px, origin=picture.origin), None


def _squeezed(picture: Picture, content: bytes, *, size_px: int) -> Packed:
    return squeezed(decoded(content, origin=picture.origin), size_px=size_px)


def _centre(picture: Picture, content: bytes, *, sizes: Mapping[str, int]) -> Packed:
    return centre(decoded(content, origin=picture.origin), **sizes), None


def check_count(what: str, found: int, settings: Mapping) -> None:
    """Compare the number of classes, or of pictures of a part, with the one published.

    Raises:
        ValueError: it differs.
    """
    expected = settings["counts"].get(what, found)
    if found != expected:
        raise ValueError(f"there are {found} of {what}, the published collection has {expected}")


def _pack_all(
    pictures: Iterable[Picture],
    pack: Callable[[Picture, bytes], Packed],
    part: PartWriter,
    *,
    threads: int,
) -> None:
    """Read in this thread, decode in others, write in order."""
    waiting: deque[tuple[Future[Packed], int]] = deque()

    def write() -> None:
        packed, label = waiting.popleft()
        image, aspect = packed.result()
        part.add(image, label, aspect=aspect)

    with ThreadPoolExecutor(threads) as pool:
        try:
            for picture in pictures:
                waiting.append((pool.submit(pack, picture, picture.read()), picture.label))
                if len(waiting) > AHEAD * threads:
                    write()
            while waiting:
                write()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _noted(of_part: Iterable[Picture], name: str, pictures: Pictures) -> Iterator[Picture]:
    """The pictures of a part; the log says how far they are."""
    of = f" of {pictures.numbers[name]}" if name in pictures.numbers else ""
    number = 0
    for number, picture in enumerate(of_part, 1):
        yield picture
        if number % SAY_AFTER == 0:
            log.info("part %s: %d%s pictures", name, number, of)
    log.info("part %s: %d pictures of %d classes", name, number, len(pictures.classes))
