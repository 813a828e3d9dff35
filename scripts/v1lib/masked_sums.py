"""Feature maps summed over places by one mask for each neuron, then over weighted features.

The three large matrix products of this (forward, and two backward) are almost all of the time of a
network with a factorised readout.
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from v1lib.pooled_convolution import kernels_apply
from v1lib.threads import in_threads, numpy_in_one_thread

VALUES_AT_ONCE = 2**22  # 16 MiB: bounds the memory beside the masked maps


def masked_sums(maps: Tensor, mask: Tensor, features: Tensor) -> Tensor:
    """sum_c features[j, c] * sum_p mask[p, j] * maps[n, c, p].

    For float32 on the CPU the products are NumPy's, whose library reaches 1.6 times the speed of
    PyTorch's on AMD's processors, and nothing of the size images x channels x neurons is stored but
    the masked maps. Both ways agree to rounding.

    Args:
        maps: [n, C, h, w].
        mask: [h * w, n_neurons].
        features: [n_neurons, C].

    Returns:
        [n, n_neurons].
    """
    if kernels_apply(maps, mask, features):
        return _MaskedSums.apply(maps, mask, features)
    return ((maps.flatten(2) @ mask) * features.T).sum(1)


class _MaskedSums(torch.autograd.Function):
    """By NumPy, on PyTorch's threads; rows are channels of images."""

    @staticmethod
    def forward(ctx, maps: Tensor, mask: Tensor, features: Tensor) -> Tensor:
        rows = maps.flatten(2).contiguous().flatten(0, 1)
        masked = torch.empty(*maps.shape[:2], mask.shape[1])
        _multiply(rows, mask, masked.flatten(0, 1))
        ctx.save_for_backward(rows, mask, features, masked if ctx.needs_input_grad[2] else None)
        ctx.is_channels_last = maps.is_contiguous(memory_format=torch.channels_last)
        ctx.shape = maps.shape
        n_at_once = max(1, VALUES_AT_ONCE // masked[0].numel())
        return torch.cat([(part * features.T).sum(1) for part in masked.split(n_at_once)])

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        rows, mask, features, masked = ctx.saved_tensors
        with_maps, with_mask, with_features = ctx.needs_input_grad
        of_rows = torch.empty_like(rows) if with_maps else None
        of_mask = torch.empty_like(mask) if with_mask else None
        of_features = torch.empty_like(features) if with_features else None
        n_at_once = max(1, VALUES_AT_ONCE // len(rows))
        for first in range(0, len(features), n_at_once):
            some = slice(first, first + n_at_once)  # of the neurons
            if with_features:
                of_features[some] = (masked[..., some] * gradient[:, None, some]).sum(0).T
            weighted = (gradient[:, None, some] * features[some].T).flatten(0, 1)
            if with_maps:
                _multiply(weighted, mask[:, some].T, of_rows, add=first > 0)
            if with_mask:
                _multiply(rows.T, weighted, of_mask[:, some])
        of_maps = None
        if with_maps:  # in the layout that the maps had: mixing layouts slows down all that follows
            layout = torch.channels_last if ctx.is_channels_last else torch.contiguous_format
            of_maps = of_rows.view(ctx.shape).contiguous(memory_format=layout)
        return of_maps, of_mask, of_features


def _multiply(a: Tensor, b: Tensor, product: Tensor, *, add: bool = False) -> None:
    """Write a @ b to a tensor, or add it; rows are shared out among the threads."""
    a, b, product = (tensor.detach().numpy() for tensor in (a, b, product))

    def part(_: int, first: int, last: int) -> None:
        if add:
            product[first:last] += a[first:last] @ b
        else:
            np.matmul(a[first:last], b, out=product[first:last])

    with numpy_in_one_thread():
        in_threads(len(a), part)
