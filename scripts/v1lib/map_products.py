"""Products of feature maps with small matrices.

For float32 on the CPU they are NumPy's, whose library multiplies matrices of some 30 x 30 at two to
three times the speed of PyTorch's; both ways agree to rounding. One image after the other stays in
the processor's cache.
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from v1lib.pooled_convolution import kernels_apply
from v1lib.threads import Part, in_threads, numpy_in_one_thread


def mixed_channels(weights: Tensor, maps: Tensor) -> Tensor:
    """sum_k weights[l, k] maps[n, k]: [L, K] and [n, K, h, w] -> [n, L, h, w]."""
    if kernels_apply(weights, maps):
        return _MixedChannels.apply(weights, maps)
    return (weights @ maps.flatten(2)).unflatten(2, maps.shape[2:])


class _MixedChannels(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weights: Tensor, maps: Tensor) -> Tensor:
        ctx.save_for_backward(weights, maps)
        return _mixed(weights, maps)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        weights, maps = ctx.saved_tensors
        with_weights, with_maps = ctx.needs_input_grad
        of_weights = _summed_products(gradient, maps) if with_weights else None
        return of_weights, _mixed(weights.T, gradient) if with_maps else None


def _mixed(weights: Tensor, maps: Tensor) -> Tensor:
    product = maps.new_empty((len(maps), len(weights), *maps.shape[2:]))
    w, m, out = _arrays(weights, maps.flatten(2), product.flatten(2))

    def part(_: int, first: int, last: int) -> None:
        np.matmul(w, m[first:last], out=out[first:last])

    _share_out(len(m), part)
    return product


def _summed_products(gradient: Tensor, maps: Tensor) -> Tensor:
    """sum_n g[n, l] . m[n, k] over places: [n, L, h, w] and [n, K, h, w] -> [L, K]."""
    products = maps.new_empty((len(maps), gradient.shape[1], maps.shape[1]))
    g, m, out = _arrays(gradient.flatten(2), maps.flatten(2), products)

    def part(_: int, first: int, last: int) -> None:
        np.matmul(g[first:last], m[first:last].transpose(0, 2, 1), out=out[first:last])

    _share_out(len(m), part)
    return products.sum(0)


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _share_out(n_images: int, part: Part) -> None:
    with numpy_in_one_thread():
        in_threads(n_images, part)
