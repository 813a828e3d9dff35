"""A convolution layer of the network of Kindel et al. 2019, made fast on one processor core.

Valid convolution, then max pooling, then ReLU. The original rectifies before it pools; both orders
give the same values and gradients, because ReLU is monotonous.
"""

import logging
from functools import cache
from typing import NamedTuple

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

    On the CPU in float32 the layer runs on compiled kernels (`v1lib.convolution_kernels`), which
    are several times faster in training than PyTorch's operations. Elsewhere, inside `torch.func`
    transformations, and with `fused` off it runs on PyTorch's. Both agree to rounding.

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
        weight = torch.empty(filters, in_channels, kernel, kernel)
        # The kernels read channels innermost; in this layout they need no copy.
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
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
        if self._use_kernels(stimuli, shape):
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

    def _use_kernels(self, stimuli: Tensor, shape: LayerShape) -> bool:
        tensors = (stimuli, self.weight, self.bias)
        if not self.fused or any(t.device.type != "cpu" for t in tensors):
            return False
        if any(t.dtype != torch.float32 for t in tensors) or inside_functorch():
            return False
        if convolution_kernels is None:
            _say_that_numba_is_missing()
            return False
        return len(stimuli) > 0 and convolution_kernels.supports(shape)


def inside_functorch() -> bool:
    """Whether the caller is inside a transformation of `torch.func`, whose tensors have no data."""
    return torch._C._are_functorch_transforms_active()


@cache
def _say_that_numba_is_missing() -> None:
    logger.warning("numba cannot be imported: convolution layers train about half as fast")


class _FusedLayer(torch.autograd.Function):
    """The layer on compiled kernels; images are kept as [n, height, width, channels] in memory."""

    @staticmethod
    def forward(ctx, stimuli: Tensor, weight: Tensor, bias: Tensor, shape: LayerShape) -> Tensor:
        images = stimuli.permute(0, 2, 3, 1).contiguous()
        pooled = images.new_empty(len(images), *shape.pooled, shape.filters)
        offsets = torch.empty_like(pooled)
        convolved = images.new_empty(*shape.convolved, shape.filters)
        taps = weight.permute(2, 3, 1, 0).contiguous()
        arrays = map(_flat, (images, taps, bias, convolved, pooled, offsets))
        convolution_kernels.forward_kernel(shape)(*arrays, len(images))
        ctx.shape = shape
        ctx.save_for_backward(images, weight, offsets)
        return pooled.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        images, weight, offsets = ctx.saved_tensors
        shape, with_input = ctx.shape, ctx.needs_input_grad[0]
        row, filled = shape.kernel * shape.channels, convolution_kernels.patch_row(shape)
        slack = filled - row
        # Rows of patches and filters are filled up to whole vectors.
        rows = weight.permute(0, 2, 3, 1).reshape(shape.filters, shape.kernel, row)
        rows = functional.pad(rows, (0, slack)) if slack else rows.contiguous()
        seen = functional.pad(images.view(-1), (0, slack)) if slack else images
        rows_gradient, bias_gradient = torch.zeros_like(rows), rows.new_zeros(shape.filters)
        images_gradient = images.new_empty(images.numel() + slack if with_input else 0)
        arrays = map(
            _flat,
            (
                gradient.permute(0, 2, 3, 1).contiguous(),
                *(offsets, seen, rows),
                *(rows_gradient, bias_gradient, images_gradient),
            ),
        )
        kernel = convolution_kernels.backward_kernel(shape, with_input=with_input)
        kernel(*arrays, len(images))
        weight_gradient = rows_gradient[..., :row].unflatten(2, (shape.kernel, shape.channels))
        if not with_input:
            return None, weight_gradient.permute(0, 3, 1, 2), bias_gradient, None
        images_gradient = images_gradient[: images.numel()].view(images.shape).permute(0, 3, 1, 2)
        return images_gradient, weight_gradient.permute(0, 3, 1, 2), bias_gradient, None


def _flat(tensor: Tensor):
    return tensor.detach().view(-1).numpy()
