"""Labelled images on their way to a classifier: varied in training, as they are in evaluation."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from v1lib.augmentation import Augmentation, CropSettings
from v1lib.feeds import Feed
from v1lib.labelled_images import Part
from v1lib.read_ahead import read_ahead
from v1lib.samples import LabelledSamples
from v1lib.splits import stream


class LabelledFeed(Feed):
    """Batches of images with labels for the members of a stack.

    The views of a batch are drawn from the seed and the number of its step, so that a resumed
    training sees the same ones.

    Args:
        samples: training images, then validation images.
        n_members: networks that are trained together; each draws its own views.
        device: where tensors go.
        augmentation: how training images vary: ``flip`` of ``v1lib.augmentation.Augmentation``, and
            ``crop``, the arguments of its ``CropSettings`` or None.
        seed: of the views.
        resident: keep all images on the device.
    """

    def __init__(
        self,
        samples: LabelledSamples,
        n_members: int,
        device: torch.device,
        *,
        augmentation: dict,
        seed: int,
        resident: bool,
    ) -> None:
        super().__init__(samples, [np.arange(samples.n_classes)] * n_members, device)
        crop = augmentation["crop"]
        self.augmentation = Augmentation(
            size_px=samples.parts[1].images.shape[1],
            crop=None if crop is None else CropSettings(**crop),
            flip=augmentation["flip"],
        )
        self.seed = seed
        self.labels = torch.as_tensor(samples.labels)
        self.train, self.validation = (
            _Images(part, device if resident else None) for part in samples.parts
        )

    def read(self, batches: list[Tensor], first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """See ``Feed.read``; labels int64 [n_members, size] stand for responses."""
        own = (member for batch in batches for member in batch)
        stored = read_ahead(self.train.rows, own, n_ahead=2 * len(self.columns))
        for step, batch in enumerate(batches, start=first_step):
            seed = int(stream("views", self.seed, step).generate_state(1, np.uint64)[0] >> 1)
            generator = torch.Generator().manual_seed(seed)
            views = []
            for _ in self.columns:
                images, aspect = next(stored)
                images = images.to(self.device, non_blocking=True)
                views.append(self.augmentation.training(images, generator, aspect=aspect))
            yield torch.stack(views), self.labels[batch].to(self.device)

    def images(self, rows: Tensor) -> Tensor:
        """See ``Feed.images``; rows of validation images."""
        stored, _ = self.validation.rows(rows - len(self.train))
        return self.augmentation.evaluation(stored.to(self.device))

    def responses(self, number: int, samples: Tensor) -> Tensor:
        """Labels [n] of samples, the same for every member."""
        return self.labels[samples]


class _Images:
    """The images of a part, on a device or in their file."""

    def __init__(self, part: Part, device: torch.device | None) -> None:
        self.stored = part.images
        self.aspect = None if part.aspect is None else torch.as_tensor(part.aspect)
        self.resident = None
        if device is not None:
            self.resident = torch.from_numpy(np.array(part.images)).to(device)

    def __len__(self) -> int:
        return len(self.stored)

    def rows(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """uint8 [n, height, width, 3] and the proportions of the originals, if they differ."""
        aspect = None if self.aspect is None else self.aspect[rows]
        if self.resident is not None:
            return self.resident[rows.to(self.resident.device)], aspect
        return torch.from_numpy(self.stored[rows.numpy()]), aspect
