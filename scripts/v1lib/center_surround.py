"""Convolution with differences of Gaussians: center-surround, Pogoncheff et al. 2023."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

MIN_CENTER = 0.1
MIN_RATIO = 1.0001
FORMS = ("released", "antagonistic")
NORMS = ("place", "kernel")
AMPLITUDE_STD = 2.0


class DifferenceOfGaussians(nn.Module):
    """A dense convolution whose kernels, one for each pair of channels, are a (E - I).

    With c = max(center, 0.1), s = c max(ratio, 1.0001) and r the distance from the middle,

        released:      E - I = c / pi exp(-r^2 / c) - s / pi exp(-r^2 / s)
        antagonistic:  E - I = exp(-r^2 / c) / (pi c) - exp(-r^2 / s) / (pi s)

    The released form multiplies the Gaussians where their density would divide, so that each of its
    kernels has one sign, that of -a: it has no antagonism. It also divides every place by its norm
    over all kernels, "place". "kernel" instead gives every E - I a norm of 1 over places, before
    it is multiplied by a.

    Args:
        n_channels: in and out.
        kernel: side, odd; zeros pad the maps so that they keep their size.
        form: released or antagonistic.
        norm: place or kernel.

    Attributes:
        center, ratio: [n_channels * n_channels], index n_channels * out + in; uniform at first,
            between a fourth of (kernel - 1) and one more.
        amplitude: a, the same shape; normal with standard deviation 2 at first.

    Raises:
        ValueError: the side is even, or form or norm is none of these.

    Source: reference section 3.3; utils/DoG.py of the published code.
    """

    def __init__(
        self, n_channels: int, *, kernel: int = 5, form: str = "released", norm: str = "place"
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel is {kernel}, which has no middle; use an odd number")
        if form not in FORMS or norm not in NORMS:
            raise ValueError(
                f"form {form!r}, norm {norm!r}; allowed: {', '.join(FORMS)}; {', '.join(NORMS)}"
            )
        self.n_channels, self.form, self.norm = n_channels, form, norm
        reach, n_kernels = kernel // 2, n_channels**2
        self.center = nn.Parameter(torch.rand(n_kernels) + reach / 2)
        self.ratio = nn.Parameter(torch.rand(n_kernels) + reach / 2)
        self.amplitude = nn.Parameter(AMPLITUDE_STD * torch.randn(n_kernels))
        place = torch.arange(-reach, reach + 1.0).square()
        self.register_buffer("square_distance", place[:, None] + place, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_channels, height, width] -> the same shape."""
        return functional.conv2d(maps, self.kernels(), padding="same")

    def kernels(self) -> Tensor:
        """[out, in, kernel, kernel]."""
        center = self.center.clamp(min=MIN_CENTER)[:, None, None]
        surround = center * self.ratio.clamp(min=MIN_RATIO)[:, None, None]
        difference = self._gaussian(center) - self._gaussian(surround)
        amplitude = self.amplitude[:, None, None]
        if self.norm == "place":
            kernels = functional.normalize(amplitude * difference, dim=0)
        else:
            kernels = amplitude * functional.normalize(difference.flatten(1)).view_as(difference)
        return kernels.unflatten(0, (self.n_channels, self.n_channels))

    def _gaussian(self, scale: Tensor) -> Tensor:
        height = scale / math.pi if self.form == "released" else 1 / (math.pi * scale)
        return height * torch.exp(-self.square_distance / scale)


class CenterSurroundConvolution(nn.Module):
    """A 3 x 3 convolution without bias, the first of whose channels pass differences of Gaussians.

    Args:
        n_channels: in and out.
        n_filtered: how many of the outputs are filtered; the others are as they were.
        kernel, form, norm: of ``DifferenceOfGaussians``.

    Attributes:
        conv, filter: the two convolutions.
    """

    def __init__(
        self, n_channels: int, n_filtered: int, *, kernel: int, form: str, norm: str
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_channels, n_channels, 3, padding=1, bias=False)
        self.filter = DifferenceOfGaussians(n_filtered, kernel=kernel, form=form, norm=norm)

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_channels, height, width] -> the same shape."""
        return filter_first(self.filter, self.conv(maps))


def filter_first(dog: DifferenceOfGaussians, maps: Tensor) -> Tensor:
    """Filter as many of the first channels as the filter takes; the others stay as they are."""
    filtered, others = maps.tensor_split([dog.n_channels], dim=1)
    return torch.cat([dog(filtered), others], dim=1)
