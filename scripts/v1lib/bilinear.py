"""Weighted features read at places between the pixels of feature maps."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from v1lib.pooled_convolution import channels_last, flat, kernels_apply
from v1lib.threads import in_threads

try:
    from v1lib import bilinear_kernels
except ImportError as missing:
    if (missing.name or "").startswith("v1lib"):
        raise
    bilinear_kernels = None


def read_features(maps: Tensor, positions: Tensor, features: Tensor) -> Tensor:
    """sum_c features[j, c] * maps[n, c] at positions[n, j], interpolated bilinearly.

    On a CPU compiled kernels do it without storing the features that were read; elsewhere, or for
    other than float32 values, PyTorch's grid sampling. Both agree to rounding.

    Args:
        maps: [n, C, h, w].
        positions: [n, n_neurons, 2], (x, y) = (along the width, along the height), each in
            [-1, 1]: from the centre of the first pixel to that of the last one.
        features: [n_neurons, C], weights.

    Returns:
        [n, n_neurons].
    """
    tensors = (maps, positions, features)
    if kernels_apply(*tensors) and bilinear_kernels.supports(maps.shape[1]):
        height, width = maps.shape[2:]
        columns = (positions[..., 0] + 1) * (0.5 * (width - 1))
        rows = (positions[..., 1] + 1) * (0.5 * (height - 1))
        return _Reading.apply(maps, columns, rows, features)
    grid = positions[:, :, None]
    read = functional.grid_sample(maps, grid, mode="bilinear", align_corners=True)
    return (read[..., 0] * features.T).sum(1)


class _Reading(torch.autograd.Function):
    """On compiled kernels, the images shared out among the threads that PyTorch may use."""

    @staticmethod
    def forward(ctx, maps: Tensor, columns: Tensor, rows: Tensor, features: Tensor) -> Tensor:
        pixels = channels_last(maps)
        columns, rows, features = columns.contiguous(), rows.contiguous(), features.contiguous()
        values = torch.empty_like(columns)
        kernel = bilinear_kernels.forward_kernel(maps.shape[1])
        arrays = [flat(t) for t in (pixels, columns, rows, features, values)]
        sizes = (columns.shape[1], *maps.shape[2:])
        in_threads(len(maps), lambda _, first, last: kernel(*arrays, first, last, *sizes))
        ctx.save_for_backward(pixels, columns, rows, features)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        pixels, columns, rows, features = ctx.saved_tensors
        with_maps = ctx.needs_input_grad[0]
        n_images, height, width, n_channels = pixels.shape
        of_pixels = torch.zeros_like(pixels) if with_maps else torch.empty(0)
        of_columns, of_rows = torch.empty_like(columns), torch.empty_like(rows)
        of_features = torch.zeros(torch.get_num_threads(), *features.shape)
        kernel = bilinear_kernels.backward_kernel(n_channels, with_maps=with_maps)
        given = [flat(t) for t in (gradient.contiguous(), pixels, columns, rows, features)]
        found = [flat(t) for t in (of_pixels, of_columns, of_rows)]
        sizes = (columns.shape[1], height, width)

        def part(thread: int, first: int, last: int) -> None:
            kernel(*given, *found, flat(of_features[thread]), first, last, *sizes)

        in_threads(n_images, part)
        of_maps = of_pixels.permute(0, 3, 1, 2) if with_maps else None
        return of_maps, of_columns, of_rows, of_features.sum(0)
