"""Corrupt labelled images, where a published corrupted collection is not at hand."""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from v1lib.corruptions import check_kind, corrupted
from v1lib.labelled_images import new_labelled, open_labelled
from v1lib.pictures import recompressed
from v1lib.splits import stream
from v1lib.steps import Input, Output, Threads

log = logging.getLogger(__name__)

IMAGES_AT_A_TIME = 200


class Task(NamedTuple):
    """What one process does at a time: some images of a part, in one way."""

    corruption: str
    severity: int
    first: int
    last: int


def main(*, clean: Input, images: Output, dataset: str, settings: dict, threads: Threads) -> None:
    """From labelled images to a data set of them with every corruption in every severity.

    Its parts are named ``<corruption>-<severity>``, it is marked as generated, and labels, classes
    and order are those of the images. The same settings give the same images, whatever the number
    of processes.

    Args:
        clean: folder of images (``v1lib.labelled_images``).
        images: folder to write.
        dataset: name of the new data set.
        settings: ``part`` to corrupt; ``corruptions``, names of ``v1lib.corruptions``;
            ``severities``, 1 to 5; ``seed``; ``quality``, of the compression that the published
            images went through after they had been corrupted, or null without.
        threads: processes to share the work.

    Raises:
        ValueError: no such part, corruption or severity, or the images have another size than the
            corruptions are made for.
    """
    found = open_labelled(clean)
    if settings["part"] not in found.parts:
        raise ValueError(f"{clean} has no part {settings['part']!r}, but {list(found.parts)}")
    part = found.parts[settings["part"]]
    kinds = [(name, level) for name in settings["corruptions"] for level in settings["severities"]]
    for kind in kinds:
        check_kind(*kind)
    tasks = [
        Task(*kind, first, min(first + IMAGES_AT_A_TIME, len(part)))
        for kind in kinds
        for first in range(0, len(part), IMAGES_AT_A_TIME)
    ]
    about = {"dataset": dataset, "source_kind": found.source_kind, "classes": found.classes}
    with new_labelled(images, **about, generated=True) as writer:
        finished = _finished(partial(corrupt_some, clean, settings), tasks, threads)
        for name, severity in kinds:
            with writer.part(f"{name}-{severity}", part.images.shape[1:3]) as written:
                while len(written.labels) < len(part):
                    for image in next(finished):
                        written.add(image, int(part.labels[len(written.labels)]))
            log.info("%s-%d: %d images", name, severity, len(part))


def corrupt_some(clean: Path, settings: dict, task: Task) -> np.ndarray:
    """The images of a task, corrupted: uint8 [last - first, height, width, 3]."""
    part = open_labelled(clean).parts[settings["part"]]
    results = []
    for number in range(task.first, task.last):
        key = ("corruption", settings["seed"], task.corruption, task.severity, number)
        rng = np.random.default_rng(stream(*key))
        image = corrupted(np.array(part.images[number]), task.corruption, task.severity, rng)
        if settings["quality"] is not None:
            image = recompressed(image, quality=settings["quality"])
        results.append(image)
    return np.stack(results)


def _finished(work: partial, tasks: Iterable[Task], processes: int) -> Iterator[np.ndarray]:
    """Results in the order of the tasks."""
    if processes == 1:
        yield from map(work, tasks)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, tasks)
