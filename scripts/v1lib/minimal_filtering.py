"""Convolution with 3 x 3 kernels from a quarter of the multiplications.

Winograd's minimal filtering F(4 x 4, 3 x 3): a tile of 4 x 4 outputs is a fixed transform of 36
products of transformed inputs and transformed kernels, instead of 144 products. For as many
channels as the pools of divisive normalization have, the 36 become matrix products. Rounding errors
are some times those of a plain sum, 1e-6 of the largest values in float32.

Source: Lavin & Gray 2016 (CVPR), section 4.
"""

import torch
from torch import Tensor
from torch.nn import functional

from v1lib.windows import windows

TILE = 4  # outputs along a side
SEEN = TILE + 2  # inputs along a side
# Of Lavin & Gray, by their names: inputs d, kernels g, outputs y = A' [(G g) (B' d)].
B = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
A = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


def convolve(maps: Tensor, kernels: Tensor) -> Tensor:
    """What ``conv2d`` gives with one row and column of zeros around the maps.

    Args:
        maps: [n, n_in, height, width], fastest with channels last in memory.
        kernels: [9, n_in, n_out], places by rows.

    Returns:
        [n, n_out, height, width], channels last in memory.
    """
    n, n_in, height, width = maps.shape
    n_out = kernels.shape[2]
    below, right = (-side % TILE for side in (height, width))
    padded = functional.pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1 + right, 1, 1 + below))
    tiles = windows(padded, SEEN, TILE).permute(3, 4, 0, 1, 2, 5)
    rows, columns = tiles.shape[3:5]
    inputs = in_two_directions(B, maps) @ tiles.reshape(SEEN**2, -1)
    filters = in_two_directions(G, maps) @ kernels.flatten(1)
    products = torch.bmm(inputs.view(SEEN**2, -1, n_in), filters.view(SEEN**2, n_in, n_out))
    outputs = in_two_directions(A, maps) @ products.flatten(1)
    outputs = outputs.view(TILE, TILE, n, rows, columns, n_out).permute(2, 3, 0, 4, 1, 5)
    outputs = outputs.reshape(n, rows * TILE, columns * TILE, n_out)
    return outputs[:, :height, :width].permute(0, 3, 1, 2)


def in_two_directions(transform: tuple, like: Tensor) -> Tensor:
    """The matrix that transforms the rows and the columns of a flattened square."""
    matrix = like.new_tensor(transform)
    return torch.kron(matrix, matrix)
