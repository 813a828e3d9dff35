"""Convolution whose filters differ from place to place (Pogoncheff et al. 2023, local fields)."""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from v1lib.windows import windows


class LocallyConnected(nn.Module):
    """A filter of its own for every place of the output, no bias.

    ``out[n, o, y, x] = sum over c, i, j of padded[n, c, s y + i, s x + j] w[y, x, o, i, j, c]``

    is computed as one matrix product per place, of its filters and the windows that they see: this
    reads the weights, which are most of the layer, once, where a product by broadcasting makes an
    array of n times their size.

    Args:
        n_in, n_out: channels.
        input_size: height and width of the maps, which the layer fixes.
        kernel: side of the filters.
        stride: distance of the places.
        padding: rows and columns of zeros on each side.

    Attributes:
        weight: [rows, columns, n_out, kernel, kernel, n_in], standard normal at first; the variance
            does not depend on the number of inputs, and the original leaves it to the following
            batch normalization to scale the result.

    Source: reference section 3.4; models/local_rf.py of the published code.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        input_size: tuple[int, int],
        *,
        kernel: int = 3,
        stride: int = 1,
        padding: int = 1,
    ) -> None:
        super().__init__()
        self.input_size = tuple(input_size)
        self.kernel, self.stride, self.padding = kernel, stride, padding
        rows, columns = ((side + 2 * padding - kernel) // stride + 1 for side in input_size)
        self.weight = nn.Parameter(torch.randn(rows, columns, n_out, kernel, kernel, n_in))

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_in, *input_size] -> [n, n_out, rows, columns].

        Raises:
            ValueError: maps of another size.
        """
        if tuple(maps.shape[2:]) != self.input_size:
            raise ValueError(
                f"maps of {tuple(maps.shape[2:])} places, but the local fields were built for "
                f"{self.input_size}; the size of the images is fixed with the network"
            )
        rows, columns, n_out = self.weight.shape[:3]
        padded = functional.pad(maps.permute(0, 2, 3, 1), (0, 0, *[self.padding] * 4))
        seen = windows(padded, self.kernel, self.stride).permute(1, 2, 0, 3, 4, 5)
        seen = seen.reshape(rows * columns, len(maps), -1)
        weight = self.weight.flatten(3).flatten(0, 1).to(maps.dtype)  # differs in mixed precision
        filtered = _Products.apply(seen, weight)
        filtered = filtered.view(rows, columns, len(maps), n_out).permute(2, 3, 0, 1)
        return filtered.contiguous(memory_format=torch.channels_last)


class _Products(torch.autograd.Function):
    """A product per place: seen [places, n, n_seen], weight [places, n_out, n_seen].

    Its gradients are products that leave the weights, and their gradient, as they lie in memory.
    """

    @staticmethod
    def forward(ctx, seen: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(seen, weight)
        with torch.autocast(seen.device.type, enabled=False):
            return torch.bmm(seen, weight.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        seen, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_seen = of_weight = None
        if ctx.needs_input_grad[0]:
            of_seen = torch.bmm(gradient, weight)
        if ctx.needs_input_grad[1]:
            of_weight = torch.bmm(gradient.transpose(1, 2), seen)
        return of_seen, of_weight
