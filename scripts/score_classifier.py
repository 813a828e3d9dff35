"""Score classifiers on clean and on corrupted images."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tqdm import tqdm

from v1lib.classifiers import check_classes, count_correct, load_classifiers
from v1lib.device import choose_device
from v1lib.files import write_csv
from v1lib.labelled_images import LabelledImages, Part, open_labelled
from v1lib.steps import Gpu, Input, Inputs, Output, Threads

CLEAN = ""  # the corruption of images that were not corrupted; their severity is 0
COLUMNS = (
    *("dataset", "model", "seed", "evaluated_on", "corruption", "severity"),
    *("n_images", "top1", "generated", "source_kind"),
)

log = logging.getLogger(__name__)


class Condition(NamedTuple):
    """Images on which classifiers are scored.

    Attributes:
        images: the data set they belong to.
        part: of it.
        corruption, severity: what was done to them; "" and 0 for clean ones.
    """

    images: LabelledImages
    part: Part
    corruption: str
    severity: int

    @property
    def name(self) -> str:
        """For the log."""
        return f"{self.corruption}-{self.severity}" if self.corruption else "clean"


def main(
    *,
    images: Input,
    checkpoints: Inputs,
    corrupted: Inputs,
    accuracies: Output,
    device: str,
    threads: Threads,
    gpu: Gpu,
) -> None:
    """From the classifiers of models to their accuracies: one row per seed and kind of images.

    Clean images are the validation images of the data set ``images`` that the networks were
    trained on; ``corrupted`` are data sets of the same classes (or none), all of whose parts,
    ``<corruption>-<severity>``, are shown. ``top1`` is the share of images whose class has the
    largest logit (Pogoncheff et al. 2023, reference section 6). ``generated`` says that images were
    corrupted by this project and are not a published set.
    """
    where = choose_device(device, gpu, threads)
    data = open_labelled(images)
    conditions = list(_conditions(data, corrupted))
    trained = load_classifiers(checkpoints, data)
    networks = [network.module.to(where) for network in trained]
    log.info("%d networks, %d kinds of images", len(networks), len(conditions))
    rows = []
    n_images = sum(len(condition.part) for condition in conditions)
    with tqdm(total=n_images, mininterval=10, desc="images") as progress:
        for condition in conditions:
            correct = count_correct(networks, condition.part, where, advance=progress.update)
            top1 = correct / len(condition.part)
            log.info("%s: top-1 accuracy %s", condition.name, ", ".join(f"{x:.4f}" for x in top1))
            rows += [
                _row(condition, data) | {"model": of.model, "seed": of.seed, "top1": value}
                for of, value in zip(trained, top1.tolist(), strict=True)
            ]
    write_csv(pd.DataFrame(rows)[list(COLUMNS)], accuracies)


def _conditions(data: LabelledImages, corrupted: list[Path]) -> Iterator[Condition]:
    """Clean images first, then the parts of corrupted sets in their order.

    Raises:
        ValueError: a set has other classes, a part that is no corruption, or images of another
            size; the message names it.
    """
    clean = data.parts["validation"]
    yield Condition(data, clean, CLEAN, 0)
    for folder in corrupted:
        images = open_labelled(folder)
        check_classes(images.classes, data, what=f"{folder} has others")
        for name, part in images.parts.items():
            corruption, _, severity = name.rpartition("-")
            if not corruption:
                raise ValueError(f"{folder}: part {name!r} is not named <corruption>-<severity>")
            if part.images.shape[1:] != clean.images.shape[1:]:
                raise ValueError(
                    f"{folder}, part {name}: images have shape {part.images.shape[1:]}, those of "
                    f"{data.dataset} {clean.images.shape[1:]}"
                )
            yield Condition(images, part, corruption, int(severity))


def _row(condition: Condition, data: LabelledImages) -> dict:
    kinds = {data.source_kind, condition.images.source_kind}
    return {
        "dataset": data.dataset,
        "evaluated_on": condition.images.dataset,
        "corruption": condition.corruption,
        "severity": condition.severity,
        "n_images": len(condition.part),
        "generated": condition.images.generated,
        "source_kind": "simulated" if "simulated" in kinds else "real",
    }
