"""Cores: from images to the feature maps that all neurons share."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from v1lib.depthwise import DepthwiseConvolution
from v1lib.layers import BatchNorm
from v1lib.regularisers import group_sparsity, roughness_of_all

NORM_EPSILON = 1e-5  # PyTorch's


@dataclass(frozen=True)
class CoreSettings:
    """The shape of a ``ConvolutionalCore``.

    Attributes:
        filters: channels of every layer.
        layers: number of layers.
        input_kernel, hidden_kernel: px, side of the kernels of the first and of all other layers.
        momentum: share of the latest batch in the running statistics of the batch norms.
        pad_input: let the first layer, too, keep the size of the image.
        separable: hidden layers mix channels at each place and filter each channel on its own.
        dilation: distance of neighbouring weights of hidden kernels.
        linear: no nonlinearity anywhere.
        elu_shift: (x, y) of the nonlinearity ELU(value - x) + y.
        read: the output has the channels of so many of the last layers.
        squeezed: so many of the last layers end with a ``SqueezeExcitation``.
        squeeze: factor by which these reduce the number of channels.

    Source: Lurz et al. 2021, reference section 3.1 (64 filters, 4 layers, kernels of 15 and 13 px,
    momentum 0.9; all else as it is here by default).
    """

    filters: int
    layers: int
    input_kernel: int
    hidden_kernel: int
    momentum: float
    pad_input: bool = False
    separable: bool = True
    dilation: int = 1
    linear: bool = False
    elu_shift: tuple[float, float] = (0.0, 0.0)
    read: int = 1
    squeezed: int = 0
    squeeze: int = 16

    def __post_init__(self) -> None:
        for name, least in (("read", 1), ("squeezed", 0)):
            if not least <= getattr(self, name) <= self.layers:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, allowed for a core of {self.layers} layers: "
                    f"{least} to {self.layers}"
                )


class ShiftedElu(nn.Module):
    """ELU(value - x) + y; what it is given is overwritten."""

    def __init__(self, shift: tuple[float, float]) -> None:
        super().__init__()
        self.x, self.y = shift

    def forward(self, values: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if self.x == self.y == 0:
            return nn.functional.elu(values, inplace=True)
        return nn.functional.elu(values - self.x, inplace=True) + self.y


class SeparableConvolution(nn.Module):
    """Channels mixed at each place, each then filtered on its own, and mixed again; no biases.

    Nothing stands between the three convolutions; the size of the maps stays.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, *, dilation: int) -> None:
        super().__init__()
        self.in_depth = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.spatial = DepthwiseConvolution(n_out, kernel, dilation=dilation)
        self.out_depth = nn.Conv2d(n_out, n_out, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_in, h, w] -> [n, n_out, h, w]."""
        return self.out_depth(self.spatial(maps, self.in_depth.weight))


class SqueezeExcitation(nn.Module):
    """Scales each channel by a number between 0 and 1 that depends on the means of all channels.

    Source: Hu et al. 2018.
    """

    def __init__(self, n_channels: int, factor: int) -> None:
        super().__init__()
        n_hidden = n_channels // factor
        if n_hidden < 1:
            raise ValueError(f"{n_channels} channels cannot be squeezed by a factor of {factor}")
        self.squeeze = nn.Linear(n_channels, n_hidden)
        self.excite = nn.Linear(n_hidden, n_channels)

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_channels, h, w] -> the same shape."""
        gain = torch.sigmoid(self.excite(torch.relu(self.squeeze(maps.mean((2, 3))))))
        return maps * gain[:, :, None, None]


class CoreLayer(nn.Module):
    """Convolution without bias, batch normalization, nonlinearity, perhaps squeeze-excitation."""

    def __init__(self, conv: nn.Module, settings: CoreSettings, *, squeezed: bool) -> None:
        super().__init__()
        self.conv = conv
        self.norm = BatchNorm(
            settings.filters, epsilon=NORM_EPSILON, momentum=settings.momentum, has_gain=True
        )
        self.activation = nn.Identity() if settings.linear else ShiftedElu(settings.elu_shift)
        self.squeeze_excitation = (
            SqueezeExcitation(settings.filters, settings.squeeze) if squeezed else nn.Identity()
        )

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_in, h, w] -> [n, filters, h', w']."""
        return self.squeeze_excitation(self.activation(self.norm(self.conv(maps))))


class ConvolutionalCore(nn.Module):
    """Layers of convolutions, of which all but the first keep the size of the maps.

    Every kernel starts Xavier-normal.

    Args:
        n_channels: of the images.
        settings: its shape.

    Attributes:
        layers: ``CoreLayer``s.
        n_features: channels of the output.

    Source: Lurz et al. 2021 (the public library's ``SE2dCore`` and ``Stacked2dCore``), reference
    section 3.1.
    """

    def __init__(self, n_channels: int, settings: CoreSettings) -> None:
        super().__init__()
        self.settings = settings
        self.n_features = settings.read * settings.filters
        first_squeezed = settings.layers - settings.squeezed
        self.layers = nn.ModuleList(
            CoreLayer(_convolution(n_channels, settings, n), settings, squeezed=n >= first_squeezed)
            for n in range(settings.layers)
        )
        for module in self.layers.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """images [n, C, H, W] -> feature maps [n, n_features, h, w]."""
        maps, read = images, []
        for number, layer in enumerate(self.layers):
            maps = layer(maps)
            if number >= len(self.layers) - self.settings.read:
                read.append(maps)
        return torch.cat(read, 1) if len(read) > 1 else maps

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of the feature maps of images of that size.

        Raises:
            ValueError: the images are too small.
        """
        lost = 0 if self.settings.pad_input else self.settings.input_kernel - 1
        if min(height, width) <= lost:
            raise ValueError(
                f"images of {height} x {width} px are too small for a kernel of "
                f"{self.settings.input_kernel} px; use a smaller input_kernel or pad_input"
            )
        return height - lost, width - lost

    def to_pixels(self, place: Tensor) -> Tensor:
        """Positions on the feature maps -> px of the image, where their receptive fields centre.

        Args:
            place: columns or rows of the maps, 0 for the first, of any shape and not only whole.

        Returns:
            Columns or rows of the image, 0 for the first.
        """
        if self.settings.pad_input:
            return place
        return place + (self.settings.input_kernel - 1) / 2

    def smoothness(self) -> Tensor:
        """Roughness of the first layer, independent of its scale (reference section 3.1)."""
        return roughness_of_all(self.layers[0].conv.weight)

    def group_sparsity(self) -> Tensor:
        """Mean over pairs of channels of the kernel's Euclidean norm, mean over hidden layers.

        Of ordinary convolutions; the paper's core has separable ones and no such penalty.
        """
        kernels = [layer.conv.weight for layer in self.layers[1:]]
        means = [group_sparsity(k) / (k.shape[0] * k.shape[1]) for k in kernels]
        return torch.stack(means).mean()


def _convolution(n_channels: int, settings: CoreSettings, number: int) -> nn.Module:
    if number == 0:
        padding = settings.input_kernel // 2 if settings.pad_input else 0
        return nn.Conv2d(
            n_channels, settings.filters, settings.input_kernel, padding=padding, bias=False
        )
    kernel, dilation = settings.hidden_kernel, settings.dilation
    if settings.separable:
        return SeparableConvolution(settings.filters, settings.filters, kernel, dilation=dilation)
    return nn.Conv2d(
        settings.filters,
        settings.filters,
        kernel,
        padding=_same_padding(kernel, dilation),
        dilation=dilation,
        bias=False,
    )


def _same_padding(kernel: int, dilation: int) -> int:
    return ((kernel - 1) * dilation + 1) // 2
