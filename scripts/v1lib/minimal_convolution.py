"""A convolution layer with 3 x 3 kernels that trains fast on processors."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from v1lib.minimal_filtering import SEEN, G, in_two_directions
from v1lib.pooled_convolution import flat, kernels_apply
from v1lib.threads import in_threads

try:
    from v1lib import minimal_filtering_kernels
except ImportError as missing:
    if (missing.name or "").startswith("v1lib"):
        raise
    minimal_filtering_kernels = None

# Multiplications of a plain convolution of one call: below, compiling is hardly ever won back.
LEAST_WORK = 2**25


class MinimalConvolution(nn.Conv2d):
    """``nn.Conv2d``, by minimal filtering where that is faster.

    Same arguments, parameters, initialisation, values and gradients (to 1e-6 to 1e-5 of the
    largest) as PyTorch's layer; where maps are not finite, neither is all of a tile of 4 x 4
    pixels. In training, for float32 on the CPU, kernels of 3 x 3 pixels without biases
    that keep the size of the maps run on ``v1lib.minimal_filtering_kernels`` if channels are
    multiples of 16 and there is much to do: for 32 channels in a quarter of the time. The images
    are shared out among the threads that PyTorch may use; for one number of threads the result is
    always the same. The kernels take two seconds to compile, once for each machine and version of
    the source if they can be kept beside it or in the user's cache. Elsewhere, and inside
    ``torch.func`` transformations, the layer runs on PyTorch's operation.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """[n, in_channels, h, w] -> [n, out_channels, h', w']."""
        if self.training and self._is_worth_it(maps) and kernels_apply(maps, self.weight):
            sizes = (self.in_channels, self.out_channels, *maps.shape[2:])
            if minimal_filtering_kernels.supports(*sizes):
                return _Filtering.apply(maps, self.weight)
        return super().forward(maps)

    def _is_worth_it(self, maps: Tensor) -> bool:
        plain = (self.kernel_size, self.padding, self.stride, self.dilation, self.groups)
        if plain != ((3, 3), (1, 1), (1, 1), (1, 1), 1) or self.padding_mode != "zeros":
            return False
        if self.bias is not None or maps.dim() != 4 or maps.shape[1] != self.in_channels:
            return False
        return maps.numel() * self.weight[:, 0].numel() >= LEAST_WORK


class _Filtering(torch.autograd.Function):
    """On compiled kernels; maps are contiguous [n, channels, h, w]."""

    @staticmethod
    def forward(ctx, maps: Tensor, weight: Tensor) -> Tensor:
        maps = maps.contiguous()
        ctx.save_for_backward(maps, weight)
        return _convolved(maps, weight.permute(2, 3, 1, 0))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        maps, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_maps = of_weight = None
        if ctx.needs_input_grad[0]:
            of_maps = _convolved(gradient, weight.flip(2, 3).permute(2, 3, 0, 1))
        if ctx.needs_input_grad[1]:
            of_weight = _kernel_gradient(maps, gradient).permute(3, 2, 0, 1)
        return of_maps, of_weight


def _convolved(maps: Tensor, kernels: Tensor) -> Tensor:
    """maps [n, n_in, h, w], kernels [3, 3, n_in, n_out] -> [n, n_out, h, w]."""
    n_in, n_out = kernels.shape[2:]
    filters = in_two_directions(G, kernels) @ kernels.reshape(9, -1)
    filled = minimal_filtering_kernels.filled_channels(n_out)
    filters = functional.pad(filters.view(SEEN**2, n_in, n_out), (0, filled - n_out))
    outputs = maps.new_empty(len(maps), n_out, *maps.shape[2:])
    _run(minimal_filtering_kernels.convolve, maps, outputs, lambda _: (maps, filters, outputs))
    return outputs


def _kernel_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """maps [n, n_in, h, w], gradient of outputs [n, n_out, h, w] -> [3, 3, n_in, n_out]."""
    n_in, n_out = maps.shape[1], gradient.shape[1]
    filled = minimal_filtering_kernels.filled_channels(n_out)
    totals = maps.new_zeros(torch.get_num_threads(), SEEN**2, n_in, filled)
    kernel = minimal_filtering_kernels.add_filter_gradients
    _run(kernel, maps, gradient, lambda thread: (maps, gradient, totals[thread]))
    total = totals.sum(0)[..., :n_out].reshape(SEEN**2, -1)
    return (in_two_directions(G, maps).T @ total).view(3, 3, n_in, n_out)


def _run(
    kernel: Callable, maps: Tensor, outputs: Tensor, arguments_of: Callable[[int], tuple]
) -> None:
    """Run a kernel for all images, with other arguments for each thread.

    Args:
        kernel: what to run.
        maps, outputs: [n, channels, h, w], of the convolution.
        arguments_of: from the number of a thread to the kernel's first tensors.
    """
    height, width = maps.shape[2:]
    n_in, n_out = maps.shape[1], outputs.shape[1]
    scratch = minimal_filtering_kernels.scratch_sizes(n_in, n_out, height, width)
    strip = minimal_filtering_kernels.strip_of(n_in, n_out, height, width)
    sizes = (n_in, n_out, height, width, *strip)

    def part(thread: int, first: int, last: int) -> None:
        space = tuple(flat(maps.new_zeros(length)) for length in scratch)
        kernel(*map(flat, arguments_of(thread)), space, first, last, sizes)

    in_threads(len(maps), part)
