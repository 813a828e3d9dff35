"""Where on the stimulus the neurons of a readout look.

Positions on the grid of the feature maps are (x, y) = (along the width, along the height) within
[-1, 1], from the centre of the first place of the maps to that of the last one; on the stimulus
they are px, 0 at the centre of the first one. The core knows which px a place looks at.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from v1lib.gaussian_readout import GaussianReadout
from v1lib.readouts import MaskReadout


@dataclass(frozen=True)
class Located:
    """Positions of the neurons of one readout.

    Attributes:
        grid: float64 [n_neurons, 2], x and y.
        pixels: float64 [n_neurons, 2], px of the stimulus along x and y: the centre of the
            receptive field of that place.
        spread: float64 [n_neurons, 2, 2], the matrix A of a Gaussian readout in px of the stimulus:
            in training positions are spread with the covariance A A'. Rows are x and y. NaN for a
            readout that draws no positions.
    """

    grid: np.ndarray
    pixels: np.ndarray
    spread: np.ndarray


@torch.no_grad()
def located(core: nn.Module, readout: nn.Module, size_px: tuple[int, int]) -> Located:
    """Mean positions of a Gaussian readout, centres of mass of the masks of a factorised one.

    Args:
        core: with ``map_size`` and ``to_pixels``, such as ``v1lib.cores.ConvolutionalCore``.
        readout: of feature maps of that core.
        size_px: (height, width) of the stimuli.

    Raises:
        ValueError: the readout has no positions.
    """
    height, width = core.map_size(*size_px)
    last = torch.tensor([width - 1.0, height - 1.0], dtype=torch.float64)
    if isinstance(readout, GaussianReadout):
        grid, matrix = readout.sampled(1, None)[0].double(), _matrix(readout)
    elif isinstance(readout, MaskReadout):
        grid, matrix = _centre_of_mass(readout, (height, width), last), None
    else:
        raise ValueError(f"a {type(readout).__name__} has no positions to locate")
    start = core.to_pixels(0 * last)
    px_per_unit = (core.to_pixels(last) - start) / 2
    pixels = start + (grid + 1) * px_per_unit
    if matrix is None:
        spread = torch.full((len(grid), 2, 2), float("nan"), dtype=torch.float64)
    else:
        spread = px_per_unit[:, None] * matrix
    return Located(grid.numpy(), pixels.numpy(), spread.numpy())


def _matrix(readout: GaussianReadout) -> Tensor:
    """A of each neuron on the grid, [n_neurons, 2, 2]: what it makes of the two unit vectors."""
    units = torch.eye(2, dtype=readout.sigma.dtype)[:, None].expand(2, len(readout.sigma), 2)
    return readout.offsets(units).permute(1, 2, 0).double()


def _centre_of_mass(readout: MaskReadout, size: tuple[int, int], last: Tensor) -> Tensor:
    """Of each mask, on the grid, [n_neurons, 2]; NaN where a mask is empty."""
    mask = readout.mask.relu().double().reshape(*size, -1)
    total = mask.sum((0, 1))
    rows, columns = (torch.arange(n, dtype=torch.float64) for n in size)
    x, y = (columns @ mask.sum(0)) / total, (rows @ mask.sum(1)) / total
    # A map of a single row or column has one place along it, in the middle of the grid.
    return torch.where(last > 0, 2 * torch.stack([x, y], 1) / last - 1, 0.0 * x[:, None])
