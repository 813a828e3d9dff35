"""Cortical magnification as a polar transform of maps (Pogoncheff et al. 2023).

Maps are averaged over rings and sectors around the middle, and radius by angle becomes row by
column: fovea above, angles from left to right. Source: reference section 3.6;
utils/PolarTransform.py of the published code.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

FORMS = ("masks", "matrix")


class PolarTransform(nn.Module):
    """Averages over rings and sectors, resized; no parameters.

    Everything in it is linear and fixed, so it is one matrix, "matrix", instead of the average
    under one mask after the other, padding and resizing, "masks". Both agree to rounding. One in a
    hundred entries of the matrix is not 0, and on a CPU only those are multiplied.

    Angles are padded by reflection on both sides, as in the original, not wrapped around.

    Args:
        input_side: of the quadratic maps; the middle is place (side // 2, side // 2).
        output_side: of the result.
        radius_edges: of the rings, in places, increasing.
        n_angles: sectors, from the right counter-clockwise.
        fill_gaps: interpolate, within rings whose inner radius is at most half the side, the
            sectors that hold no place; other empty sectors are 0.
        antialias: smooth before resizing, as torchvision does by default since version 0.17; the
            published code was run with versions before.
        pad_radius: pad the radii by reflection as well, as the published variant of the composite
            in Brain-Score does.

    Attributes:
        form: "matrix" at first, may be set to "masks".
        masks, counts: float16, as in the original [n_rings, n_angles, side, side] and
            [n_rings, n_angles].
        matrix: [output_side ** 2, input_side ** 2].
        sparse, transposed: the entries of the matrix that are not 0, and of its transpose.

    Raises:
        ValueError: the edges do not increase, or a ring whose gaps are to be filled holds no place.
    """

    def __init__(
        self,
        input_side: int,
        output_side: int,
        radius_edges: Sequence[float],
        n_angles: int,
        *,
        fill_gaps: bool = True,
        antialias: bool = False,
        pad_radius: bool = False,
    ) -> None:
        super().__init__()
        if any(inner >= outer for inner, outer in pairwise(radius_edges)):
            raise ValueError(f"radius_edges must increase, not {list(radius_edges)}")
        self.form = "matrix"
        self.output_side, self.antialias, self.pad_radius = output_side, antialias, pad_radius
        masks = polar_masks(input_side, radius_edges, n_angles, fill_gaps=fill_gaps)
        counts = masks.sum((2, 3))
        counts[counts == 0] = 1
        self.register_buffer("masks", masks.half(), persistent=False)
        self.register_buffer("counts", counts.half(), persistent=False)
        impulses = torch.eye(input_side**2, dtype=torch.float64).unflatten(1, [input_side] * 2)
        matrix = self._resized(self.polar_map(impulses[None]))[0].flatten(1).T.float()
        self.register_buffer("matrix", matrix.contiguous(), persistent=False)
        self.register_buffer("sparse", matrix.to_sparse(), persistent=False)
        self.register_buffer("transposed", matrix.T.to_sparse(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_channels, side, side] -> [n, n_channels, output_side, output_side].

        Raises:
            ValueError: ``form`` is neither masks nor matrix.
        """
        if self.form not in FORMS:
            raise ValueError(f"form of the polar transform is {self.form!r}, not one of {FORMS}")
        if self.form == "masks":
            return self._resized(self.polar_map(maps))
        if maps.device.type == "cpu" and maps.dtype == self.matrix.dtype:
            places = maps.permute(2, 3, 0, 1).flatten(2).flatten(0, 1)
            places = _SparseProduct.apply(self.sparse, self.transposed, places)
            places = places.view(*[self.output_side] * 2, *maps.shape[:2]).permute(2, 3, 0, 1)
            return places.contiguous(memory_format=torch.channels_last)
        places = self.matrix @ maps.permute(0, 2, 3, 1).flatten(1, 2)
        return places.unflatten(1, [self.output_side] * 2).permute(0, 3, 1, 2)

    def polar_map(self, maps: Tensor) -> Tensor:
        """Means under the masks, padded.

        [n, n_channels, side, side] -> [n, n_channels, n_rings, n_angles + 2], or with
        ``pad_radius`` n_rings + 2.
        """
        masks, counts = (constant.to(maps.dtype) for constant in (self.masks, self.counts))
        means = torch.einsum("ncyx,rayx->ncra", maps, masks) / counts
        pad = (1, 1, 1, 1) if self.pad_radius else (1, 1, 0, 0)
        return functional.pad(means, pad, mode="reflect")

    def _resized(self, maps: Tensor) -> Tensor:
        size = [self.output_side] * 2
        return functional.interpolate(maps, size, mode="bilinear", antialias=self.antialias)


class _SparseProduct(torch.autograd.Function):
    """matrix @ columns, with the gradient of the columns alone."""

    @staticmethod
    def forward(ctx, matrix: Tensor, transposed: Tensor, columns: Tensor) -> Tensor:
        ctx.transposed = transposed
        return torch.sparse.mm(matrix, columns)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[None, None, Tensor]:
        return None, None, torch.sparse.mm(ctx.transposed, gradient)


def polar_masks(
    side: int, radius_edges: Sequence[float], n_angles: int, *, fill_gaps: bool
) -> Tensor:
    """Which places count how much in which ring and sector.

    Intervals are closed below and open above. Gaps of a ring are filled by resampling its masks
    that are not empty, in their order, linearly to ``n_angles``.

    Returns:
        float32 [n_rings, n_angles, side, side].

    Raises:
        ValueError: a ring whose gaps are to be filled holds no place.
    """
    distance, angle = polar_coordinates(side)
    edges = torch.linspace(0, 2 * math.pi, n_angles + 1, dtype=torch.float64)
    sectors = torch.stack([(lo <= angle) & (angle < hi) for lo, hi in pairwise(edges)])
    rings = []
    for inner, outer in pairwise(radius_edges):
        masks = (sectors & (inner <= distance) & (distance < outer)).float()
        if fill_gaps and inner <= side / 2:
            if not masks.any():
                raise ValueError(
                    f"radius_edges: the ring from {inner} to {outer} holds no place of a map of "
                    f"{side} x {side}"
                )
            masks = _resampled(masks[masks.any(2).any(1)], n_angles)
        rings.append(masks)
    return torch.stack(rings)


def polar_coordinates(side: int) -> tuple[Tensor, Tensor]:
    """Distance from the middle, and angle in [0, 2 pi) counter-clockwise from the right.

    Returns:
        Two float32 [side, side].
    """
    place = torch.arange(side, dtype=torch.float32) - side // 2
    x, y = place[None, :], -place[:, None]
    angle = torch.atan2(y, x)
    return torch.sqrt(x.square() + y.square()), torch.where(angle < 0, angle + 2 * math.pi, angle)


def _resampled(masks: Tensor, n_angles: int) -> Tensor:
    """[n, side, side] -> [n_angles, side, side], linear in between."""
    series = masks.flatten(1).T[None]
    filled = functional.interpolate(series, n_angles, mode="linear", align_corners=False)
    return filled[0].T.reshape(n_angles, *masks.shape[1:])
