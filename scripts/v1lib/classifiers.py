"""Trained classifiers: which classes they know, and how often they are right."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import nn

from v1lib.augmentation import Augmentation
from v1lib.labelled_images import LabelledImages, Part
from v1lib.models import TrainedModel, about_checkpoint, load_blocks
from v1lib.read_ahead import read_ahead

IMAGES_AT_ONCE = 256  # about 1 GB of maps of a ResNet-50 on images of 64 px


def load_classifiers(checkpoints: Sequence[Path], images: LabelledImages) -> list[TrainedModel]:
    """The trained networks of all blocks of one or several models: by model, then by seed.

    Args:
        checkpoints: files of the blocks.
        images: with the classes that the networks must have learned.

    Raises:
        ValueError: a file is no checkpoint of classifiers, or of other classes, or no network was
            trained; the message names the file, and the first class that differs.
    """
    for path in checkpoints:
        check_classes(_classes_of(path), images, what=f"{path} was trained on others")
    return load_blocks(checkpoints)


def check_classes(classes: Sequence[str], images: LabelledImages, *, what: str) -> None:
    """Compare class names with those of a data set, in the order of the labels.

    Args:
        classes: to be compared.
        images: the data set.
        what: beginning of the message.

    Raises:
        ValueError: a class differs; the message names the first.
    """
    for number, (found, expected) in enumerate(zip_longest(classes, images.classes)):
        if found != expected:
            raise ValueError(
                f"{what}: class {number} is {found or 'missing'}, but {expected or 'missing'} in "
                f"data set {images.dataset}. Labels count classes in the order of their names, so "
                "both sets need the same ones"
            )


def _classes_of(checkpoint: Path) -> list[str]:
    classes = about_checkpoint(checkpoint)["classes"]
    if not classes:
        raise ValueError(f"{checkpoint}: its networks predict neurons, not classes")
    return classes


@torch.inference_mode()
def count_correct(
    networks: Sequence[nn.Module],
    part: Part,
    device: torch.device,
    *,
    advance: Callable[[int], object] = lambda n_images: None,
) -> np.ndarray:
    """How many images of a part each network puts first into their class (top-1).

    Images are read in batches, the next while one is computed, and each batch is shown to all
    networks. An answer with a logit that is not finite is wrong.

    Args:
        networks: in evaluation mode on ``device``; images [n, 3, H, W] from -1 to 1 -> logits.
        part: images of the size that the networks take.
        device: where to compute.
        advance: told the number of images of each batch when it is done.

    Returns:
        int64 [n_networks].
    """
    augmentation = Augmentation(size_px=part.images.shape[1], crop=None, flip=0.0)
    correct = torch.zeros(len(networks), dtype=torch.int64, device=device)
    pieces = [slice(first, first + IMAGES_AT_ONCE) for first in range(0, len(part), IMAGES_AT_ONCE)]
    stored = read_ahead(lambda rows: np.array(part.images[rows]), pieces, n_ahead=2)
    for rows, batch in zip(pieces, stored, strict=True):
        images = augmentation.evaluation(torch.from_numpy(batch).to(device))
        labels = torch.as_tensor(part.labels[rows]).to(device)
        for number, network in enumerate(networks):
            logits = network(images)
            right = (logits.argmax(1) == labels) & logits.isfinite().all(1)
            correct[number] += right.sum()
        advance(len(batch))
    return correct.cpu().numpy()
