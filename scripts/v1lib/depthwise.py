"""A convolution that filters every channel on its own, made fast on processors."""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from v1lib.pooled_convolution import channels_last, flat, kernels_apply
from v1lib.threads import in_threads

try:
    from v1lib import depthwise_kernels
except ImportError as missing:
    if (missing.name or "").startswith("v1lib"):
        raise
    depthwise_kernels = None


class DepthwiseConvolution(nn.Conv2d):
    """As many filters as channels, each for its own channel, with zero padding and without biases.

    Same parameters, initialisation, values and gradients (to rounding) as PyTorch's layer. For
    float32 on the CPU it runs on compiled kernels (``v1lib.depthwise_kernels``): PyTorch's gradient
    of large filters takes 10 to 30 times as long. They take a second to compile, once for all
    processes, share the images out among the threads that PyTorch may use and give the same result
    for any number of them. Elsewhere, inside ``torch.func`` transformations and for dilated or even
    filters it runs on PyTorch's.

    Args:
        n_channels: of the maps; the compiled kernels need a multiple of 4.
        kernel: side of the filters, pixels; maps keep their size if it is odd.
        dilation: distance of neighbouring weights, pixels.

    Attributes:
        weight: [n_channels, 1, kernel, kernel].
    """

    def __init__(self, n_channels: int, kernel: int, *, dilation: int = 1) -> None:
        super().__init__(
            n_channels,
            n_channels,
            kernel,
            padding=((kernel - 1) * dilation + 1) // 2,
            dilation=dilation,
            groups=n_channels,
            bias=False,
        )

    def forward(self, maps: Tensor, mixing: Tensor | None = None) -> Tensor:
        """[n, n_channels, h, w] -> the same shape, of an even kernel one row and column more.

        Args:
            maps: what is filtered; with ``mixing`` [n, n_in, h, w].
            mixing: [n_channels, n_in, 1, 1], weights of a convolution of one pixel that comes
                first. Between both, the kernels keep nothing for the gradient: mixing once more is
                cheap, and large maps are the memory of a network.
        """
        possible = self.dilation == (1, 1) and kernels_apply(maps, self.weight)
        if possible and depthwise_kernels.supports(self.out_channels, self.kernel_size[0]):
            return _Filtering.apply(maps, mixing, self.weight)
        return super().forward(maps if mixing is None else functional.conv2d(maps, mixing))


class _Filtering(torch.autograd.Function):
    """On compiled kernels; maps are kept as [n, h, w, channels] in memory."""

    @staticmethod
    def forward(ctx, maps: Tensor, mixing: Tensor | None, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, mixing, weight)
        return _filtered(_mixed(maps, mixing), weight).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        maps, mixing, weight = ctx.saved_tensors
        gradient = channels_last(gradient)
        with_maps, with_mixing, with_weight = ctx.needs_input_grad
        of_maps = of_mixing = of_weight = None
        if with_weight:
            of_weight = _weight_gradient(gradient, _mixed(maps, mixing), weight.shape[-1])
        if with_maps or with_mixing:
            of_maps = _filtered(gradient, weight.flip(2, 3)).permute(0, 3, 1, 2)
        if mixing is not None and of_maps is not None:
            of_maps, of_mixing, _ = torch.ops.aten.convolution_backward(
                *(of_maps, maps, mixing, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
                [with_maps, with_mixing, False],
            )
        return of_maps, of_mixing, of_weight


def _mixed(maps: Tensor, mixing: Tensor | None) -> Tensor:
    """maps [n, n_in, h, w] -> [n, h, w, channels]."""
    return channels_last(maps if mixing is None else functional.conv2d(maps, mixing))


def _filtered(pixels: Tensor, weight: Tensor) -> Tensor:
    """pixels [n, h, w, channels], weight [channels, 1, kernel, kernel] -> as pixels."""
    kernel, (height, width, n_channels) = weight.shape[-1], pixels.shape[1:]
    filters = weight[:, 0].permute(1, 2, 0).contiguous()
    filtered = torch.empty_like(pixels)
    run = depthwise_kernels.filter_kernel(kernel, n_channels, width)
    arrays = [flat(tensor) for tensor in (pixels, filters, filtered)]
    size = depthwise_kernels.scratch_size(height, width, n_channels, kernel)

    def part(_: int, first: int, last: int) -> None:
        run(*arrays, flat(torch.zeros(size)), first, last, height)

    in_threads(len(pixels), part)
    return filtered


def _weight_gradient(gradient: Tensor, pixels: Tensor, kernel: int) -> Tensor:
    """gradient and pixels [n, h, w, channels] -> [channels, 1, kernel, kernel]."""
    n_images, height, width, n_channels = pixels.shape
    of_images = torch.empty(n_images, kernel, kernel, n_channels)
    run = depthwise_kernels.weight_kernel(kernel, n_channels)
    arrays = [flat(tensor) for tensor in (gradient, pixels, of_images)]
    size = depthwise_kernels.scratch_size(height, width, n_channels, kernel)

    def part(_: int, first: int, last: int) -> None:
        run(*arrays, flat(torch.zeros(size)), first, last, height, width)

    in_threads(n_images, part)
    return of_images.sum(0).permute(2, 0, 1)[:, None]
