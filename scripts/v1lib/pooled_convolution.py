"""A convolution layer of the network of Kindel et al. 2019, made fast on one processor core.

Valid convolution, then max pooling, then ReLU. The original rectifies before it pools; both orders
give the same values and gradients, because ReLU is monotonous.
"""

import logging
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

try:
    from v1lib import convolution_kernels
except ImportError as missing:
    if (missing.name or "").startswith("v1lib"):
        raise
    convolution_kernels = None

logger = logging.getLogger(__name__)


class LayerShape(NamedTuple):
    """Sizes of one layer, in pixels and channels."""

    height: int
    width: int
    channels: int
    filters: int
    kernel: int
    pool_kernel: int
    pool_stride: int

    @property
    def convolved(self) -> tuple[int, int]:
        """Rows and columns after the convolution."""
        return self.height - self.kernel + 1, self.width - self.kernel + 1

    @property
    def pooled(self) -> tuple[int, int]:
        """Rows and columns after the pooling."""
        rows, columns = self.convolved
        window, stride = self.pool_kernel, self.pool_stride
        return (rows - window) // stride + 1, (columns - window) // stride + 1


class PooledConvolution(nn.Module):
    """Valid convolution (stride 1, bias), max pooling (valid, left-over rows dropped), ReLU.

    In training mode, on the CPU and in float32, the layer runs on compiled kernels
    (`v1lib.convolution_kernels`), which are several times faster than PyTorch's operations and
    take seconds to compile. Elsewhere, inside `torch.func` transformations, and with `fused` off
    it runs on PyTorch's. Both agree to rounding.

    Args:
        in_channels: channels of the input.
        filters: channels of the output; the fused kernels need a multiple of 4.
        kernel: side of the filters, pixels.
        pool_kernel: side of the pooling window, pixels.
        pool_stride: distance of pooling windows, pixels.

    Attributes:
        weight: [filters, in_channels, kernel, kernel], not initialised: the caller's choice.
        bias: [filters], not initialised.
        fused: whether the compiled kernels may be used; True at first.

    Raises:
        ValueError: a size is below 1.
    """

    def __init__(
        self, in_channels: int, filters: int, *, kernel: int, pool_kernel: int, pool_stride: int
    ) -> None:
        super().__init__()
        sizes = (in_channels, filters, kernel, pool_kernel, pool_stride)
        if min(sizes) < 1:
            raise ValueError(f"sizes of a convolution layer must be at least 1, not {sizes}")
        self.in_channels, self.filters, self.kernel = in_channels, filters, kernel
        self.pool_kernel, self.pool_stride = pool_kernel, pool_stride
        # Channels innermost: the kernels need no copy, and PyTorch's convolution is twice as fast.
        # Permuted, because `contiguous` leaves the strides of a single channel as they are.
        weight = torch.empty(filters, kernel, kernel, in_channels).permute(0, 3, 1, 2)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.empty(filters))
        self.fused = True

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the output for an input of `height` x `width` pixels.

        Raises:
            ValueError: the input is too small for the filters or the pooling window.
        """
        rows, columns = self._shape(height, width).pooled
        return rows, columns

    def forward(self, stimuli: Tensor) -> Tensor:
        """[n, in_channels, height, width] -> [n, filters, *output_size(height, width)].

        Raises:
            ValueError: other channels than `in_channels`, or an input too small.
        """
        if stimuli.dim() != 4 or stimuli.shape[1] != self.in_channels:
            found = tuple(stimuli.shape)
            raise ValueError(f"input must be [n, {self.in_channels}, height, width], not {found}")
        shape = self._shape(*stimuli.shape[2:])
        possible = self.fused and self.training and kernels_apply(stimuli, self.weight, self.bias)
        if possible and convolution_kernels.supports(shape):
            return _FusedLayer.apply(stimuli, self.weight, self.bias, shape)
        convolved = functional.conv2d(stimuli, self.weight, self.bias)
        return functional.relu(functional.max_pool2d(convolved, self.pool_kernel, self.pool_stride))

    def _shape(self, height: int, width: int) -> LayerShape:
        layer = (self.in_channels, self.filters, self.kernel, self.pool_kernel, self.pool_stride)
        shape = LayerShape(height, width, *layer)
        if min(shape.convolved) < self.pool_kernel:
            raise ValueError(
                f"an input of {height} x {width} pixels is too small for filters of {self.kernel} "
                f"and a pooling window of {self.pool_kernel} pixels"
            )
        return shape


def kernels_apply(*tensors: Tensor) -> bool:
    """Whether compiled kernels can work on tensors: float32 on the CPU, with numba at hand.

    Inside a transformation of `torch.func` (vmap, grad) tensors have no data of their own.
    """
    if any(t.device.type != "cpu" or t.dtype != torch.float32 for t in tensors):
        return False
    if torch._C._are_functorch_transforms_active() or tensors[0].numel() == 0:
        return False
    if convolution_kernels is None:
        _say_that_numba_is_missing()
    return convolution_kernels is not None


@cache
def _say_that_numba_is_missing() -> None:
    logger.warning("numba cannot be imported: networks train up to several times slower")


class _FusedLayer(torch.autograd.Function):
    """The layer on compiled kernels; images are kept as [n, height, width, channels] in memory."""

    @staticmethod
    def forward(ctx, stimuli: Tensor, weight: Tensor, bias: Tensor, shape: LayerShape) -> Tensor:
        images, weight = channels_last(stimuli), channels_last(weight)
        pooled = torch.empty(len(images), *shape.pooled, shape.filters)
        offsets = torch.empty_like(pooled)
        arrays = map(flat, (images, weight, bias, pooled, offsets))
        convolution_kernels.forward_kernel(shape)(*arrays, len(images))
        ctx.shape = shape
        ctx.save_for_backward(images, weight, offsets)
        return pooled.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        images, weight, offsets = ctx.saved_tensors
        with_input, channels_first = ctx.needs_input_grad[0], gradient.is_contiguous()
        if not channels_first:
            gradient = channels_last(gradient)
        weight_gradient, bias_gradient = torch.empty_like(weight), torch.empty(len(weight))
        images_gradient = torch.empty_like(images) if with_input else torch.empty(0)
        arrays = map(
            flat,
            (
                *(gradient, offsets, images, weight),
                *(weight_gradient, bias_gradient, images_gradient),
            ),
        )
        kernel = convolution_kernels.backward_kernel(
            ctx.shape, channels_first=channels_first, with_input=with_input
        )
        kernel(*arrays, len(images))
        weight_gradient = weight_gradient.permute(0, 3, 1, 2)
        if not with_input:
            return None, weight_gradient, bias_gradient, None
        return images_gradient.permute(0, 3, 1, 2), weight_gradient, bias_gradient, None


def channels_last(tensor: Tensor) -> Tensor:
    """[a, channels, rows, columns] -> [a, rows, columns, channels], C order."""
    return tensor.permute(0, 2, 3, 1).contiguous()


def flat(tensor: Tensor) -> np.ndarray:
    """The memory of a contiguous CPU tensor as a flat array."""
    return tensor.detach().numpy().reshape(-1)
