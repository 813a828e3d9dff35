"""Batches of stored images as a network takes them: cropped, resized, mirrored, normalised.

Everything happens on the device that the images are on, for a batch at once. Random numbers are
drawn on the CPU, so a seed means the same crops on every device. What is drawn follows the
published pipeline (main.py: RandomResizedCrop(224), Resize(64), RandomHorizontalFlip,
Normalize(0.5, 0.5)), whose resizing is bilinear with a filter that grows with the reduction. That
is a product with one matrix per axis, built here for each image, and two resizings in a row are the
product of theirs. It differs from the original in three points: crops are not rounded to whole
pixels, nothing is rounded to 8 bits between the stages, and where training images were squeezed
into squares when they were packed, small crops come out smoother than from the files
(``v1lib.pictures.squeezed`` says by how much).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

N_ATTEMPTS = 10  # to find a crop that fits, before the middle is taken [torchvision]


@dataclass(frozen=True)
class CropSettings:
    """Which crops are drawn, and how they are resized.

    Attributes:
        scale: smallest and largest area, as a share of the image.
        aspect: smallest and largest width over height; its logarithm is uniform.
        through_px: side of an image in between, into which a crop is resized first; None without.
    """

    scale: tuple[float, float]
    aspect: tuple[float, float]
    through_px: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1 or not 0 < self.aspect[0] <= self.aspect[1]:
            raise ValueError(f"crops of area {self.scale} and aspect {self.aspect} cannot be drawn")


class Boxes(NamedTuple):
    """Crops: first and last row, first and last column, each [n], as shares of the image."""

    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor


class Augmentation:
    """Turns stored images into what a network is trained and evaluated on.

    Args:
        size_px: side of the images that the network takes.
        crop: what is cut out in training; None where images are used whole.
        flip: probability that a training image is mirrored left to right.
    """

    def __init__(self, *, size_px: int, crop: CropSettings | None, flip: float) -> None:
        if not 0 <= flip <= 1:
            raise ValueError(f"flip is {flip}, expected a probability")
        self.size_px = size_px
        self.crop = crop
        self.flip = flip

    def training(
        self, images: Tensor, generator: torch.Generator, *, aspect: Tensor | None = None
    ) -> Tensor:
        """A random view of each image.

        Args:
            images: uint8 [n, height, width, 3], on any device.
            generator: on the CPU; its state before a batch decides the views of the batch.
            aspect: [n] width over height of the originals, where they were squeezed into squares.

        Returns:
            float32 [n, 3, size_px, size_px] from -1 to 1, on the device of the images.

        Raises:
            ValueError: the images are no such batch, or have another size and no crop is drawn.
        """
        _check(images)
        n_images = len(images)
        if self.crop is not None:
            boxes = drawn_boxes(self.crop, _proportions(images, aspect), generator)
            views = resized(images, boxes, size_px=self.size_px, through_px=self.crop.through_px)
        else:
            views = self._whole(images)
        mirrored = torch.rand(n_images, generator=generator) < self.flip
        mirrored = mirrored.to(images.device)[:, None, None, None]
        return torch.where(mirrored, views.flip(3), views)

    def evaluation(self, images: Tensor) -> Tensor:
        """The images as they are stored: float32 [n, 3, size_px, size_px] from -1 to 1.

        Args:
            images: uint8 [n, size_px, size_px, 3]; larger ones were cut when they were packed.

        Raises:
            ValueError: the images are no such batch, or have another size.
        """
        _check(images)
        return self._whole(images)

    def _whole(self, images: Tensor) -> Tensor:
        if tuple(images.shape[1:3]) != (self.size_px, self.size_px):
            raise ValueError(
                f"images have {tuple(images.shape[1:3])} px, the network takes {self.size_px} each"
            )
        return normalised(images)


def normalised(images: Tensor) -> Tensor:
    """uint8 [n, height, width, 3] as float32 [n, 3, height, width] from -1 to 1.

    The mean and the standard deviation of the published transform are 0.5 for each channel. The
    result lies in memory as the images do, which convolutions like (channels last).
    """
    return images.permute(0, 3, 1, 2).to(torch.float32).mul_(1 / 127.5).sub_(1.0)


def drawn_boxes(crop: CropSettings, proportions: Tensor, generator: torch.Generator) -> Boxes:
    """A random crop of each image, as torchvision draws them (RandomResizedCrop.get_params).

    Area and aspect are drawn together, at most ten times, until the crop fits into the image; else
    the middle is taken, of the nearest aspect allowed. Places are uniform.

    Args:
        crop: what may be drawn.
        proportions: float32 [n] on the CPU, width over height.
        generator: on the CPU.

    Returns:
        float32 [n] each, on the CPU.
    """
    n_images = len(proportions)
    area, log_aspect, row, column = torch.rand(4, N_ATTEMPTS, n_images, generator=generator)
    area = crop.scale[0] + (crop.scale[1] - crop.scale[0]) * area
    low, high = map(math.log, crop.aspect)
    aspect = torch.exp(low + (high - low) * log_aspect)
    # In units of the sides of the image.
    width, height = (area * aspect / proportions).sqrt(), (area / aspect * proportions).sqrt()
    fits = (width <= 1) & (height <= 1)
    chosen = fits.int().argmax(0)[None]  # the first that fits
    width, height, row, column = (
        values.gather(0, chosen)[0] for values in (width, height, row, column)
    )
    nearest = proportions.clamp(*crop.aspect)
    found = fits.any(0)
    width = torch.where(found, width, (nearest / proportions).clamp(max=1))
    height = torch.where(found, height, (proportions / nearest).clamp(max=1))
    row, column = (torch.where(found, place, 0.5) for place in (row, column))
    top, left = row * (1 - height), column * (1 - width)
    return Boxes(top, top + height, left, left + width)


def resized(images: Tensor, boxes: Boxes, *, size_px: int, through_px: int | None) -> Tensor:
    """Crops of all images, made equally large and normalised.

    Args:
        images: uint8 [n, height, width, 3].
        boxes: what to cut out.
        size_px: side of the result.
        through_px: side of an image in between, or None.

    Returns:
        float32 [n, 3, size_px, size_px], from -1 to 1.
    """
    height, width = images.shape[1:3]
    rows = weights_of(boxes.top, boxes.bottom, height, through_px or size_px)
    columns = weights_of(boxes.left, boxes.right, width, through_px or size_px)
    if through_px:
        whole = (torch.zeros(1), torch.ones(1))
        smaller = weights_of(*whole, through_px, size_px)[0]
        rows, columns = smaller @ rows, smaller @ columns
    rows, columns = rows.to(images.device), columns.to(images.device)
    flat = normalised(images).permute(0, 2, 3, 1)  # a view of [n, height, width, 3]
    shorter = torch.bmm(rows, flat.reshape(len(images), height, width * 3))
    shorter = shorter.view(len(images), size_px, width, 3)
    return torch.einsum("npwc,nqw->ncpq", shorter, columns)


def weights_of(first: Tensor, last: Tensor, n_pixels: int, size_px: int) -> Tensor:
    """The matrices that resize a part of an axis as Pillow's bilinear filter does.

    A result is a mean of the pixels around its place, with weights that fall linearly to 0 at one
    pixel, or, where the axis becomes shorter, at as many as become one. Pixels outside of the part
    have no weight.

    Args:
        first, last: [n] ends of the part, as shares of the axis.
        n_pixels: along the axis.
        size_px: number of results.

    Returns:
        float32 [n, size_px, n_pixels]; each row sums to 1.
    """
    first, last = (end[:, None, None] * n_pixels for end in (first, last))
    step = (last - first) / size_px
    middle = first + (torch.arange(size_px)[:, None] + 0.5) * step
    pixel = torch.arange(n_pixels, dtype=torch.float32)
    weight = (1 - (pixel + 0.5 - middle).abs() / step.clamp(min=1)).clamp(min=0)
    # A ten-thousandth of a pixel: what rounding adds to a part is no pixel of it.
    inside = (pixel + 1 > first + 1e-4) & (pixel < last - 1e-4)
    weight = weight * inside
    return weight / weight.sum(2, keepdim=True)


def _proportions(images: Tensor, aspect: Tensor | None) -> Tensor:
    if aspect is None:
        return torch.full((len(images),), images.shape[2] / images.shape[1])
    return aspect.to(device="cpu", dtype=torch.float32)


def _check(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != torch.uint8:
        raise ValueError(
            f"images are {images.dtype} {tuple(images.shape)}, expected torch.uint8 "
            "(n, height, width, 3)"
        )
