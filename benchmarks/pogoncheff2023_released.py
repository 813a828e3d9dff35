"""Networks of Pogoncheff et al. 2023 with the layers as the published code spells them out.

They take the weights of a network of this project. Maps have their channels first in memory.
Source: reference section 3; utils/*.py of the published code.
"""

import math
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from v1lib.channel_normalization import MIN_VARIANCE, UntunedNormalization
from v1lib.locally_connected import LocallyConnected
from v1lib.models.pogoncheff2023 import ResNet
from v1lib.polar_transform import PolarTransform

IMAGES_AT_ONCE = 32  # of the polar transform, for its products fill the memory


class BroadcastLocallyConnected(nn.Module):
    """Every weight times what it sees, as one array, and its sum."""

    def __init__(self, layer: LocallyConnected) -> None:
        super().__init__()
        weight = layer.weight.detach().permute(2, 5, 0, 1, 3, 4).flatten(4)[None]
        self.weight = nn.Parameter(weight.contiguous())
        self.kernel, self.stride, self.padding = layer.kernel, layer.stride, layer.padding

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_in, h, w] -> [n, n_out, rows, columns]."""
        padded = functional.pad(maps, [self.padding] * 4)
        seen = padded.unfold(2, self.kernel, self.stride).unfold(3, self.kernel, self.stride)
        return (seen.flatten(4)[:, None] * self.weight).sum((2, 5))


class MaskedPolarTransform(nn.Module):
    """Every mask times every map, as one array, and its sum."""

    def __init__(self, layer: PolarTransform) -> None:
        super().__init__()
        self.register_buffer("masks", layer.masks.flatten(0, 1).contiguous())
        self.register_buffer("counts", layer.counts.flatten())
        self.n_rings, self.side = len(layer.masks), layer.output_side

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_channels, side, side] -> [n, n_channels, output side, output side]."""
        means = torch.cat([self._means(part) for part in maps.split(IMAGES_AT_ONCE)])
        padded = functional.pad(
            means.unflatten(2, (self.n_rings, -1)), (1, 1, 0, 0), mode="reflect"
        )
        return functional.interpolate(padded, [self.side] * 2, mode="bilinear")

    def _means(self, maps: Tensor) -> Tensor:
        return (maps[:, :, None] * self.masks).sum((3, 4)) / self.counts


class ConvolvedUntunedNormalization(nn.Module):
    """Kernels from an array per step of their formula, then PyTorch's convolution."""

    def __init__(self, layer: UntunedNormalization) -> None:
        super().__init__()
        for name, parameter in layer.named_parameters():
            value = parameter.detach()
            value = value if name == "bias" else value[:, :, None, None]
            self.register_parameter(name, nn.Parameter(value.clone()))
        y, x = torch.meshgrid(*[torch.arange(1.0, 4.0)] * 2, indexing="ij")
        self.register_buffer("x", x)
        self.register_buffer("y", y)

    def forward(self, features: Tensor) -> Tensor:
        """[n, n_channels, h, w] -> the same shape."""
        x = self.x * torch.cos(self.theta) + self.y * torch.sin(self.theta)
        y = -self.x * torch.sin(self.theta) + self.y * torch.cos(self.theta)
        q = (x - self.v) ** 2 / torch.clamp(self.rho**2, min=MIN_VARIANCE)
        q = q + (y - self.w) ** 2 / torch.clamp(self.sigma**2, min=MIN_VARIANCE)
        height = self.amplitude / torch.clamp(2 * math.pi * self.rho * self.sigma, min=0.1)
        kernels = torch.abs(height) * torch.exp(-0.5 * q)
        return features / (functional.conv2d(features, kernels, padding=1) + self.bias.abs())


RELEASED = {
    LocallyConnected: BroadcastLocallyConnected,
    PolarTransform: MaskedPolarTransform,
    UntunedNormalization: ConvolvedUntunedNormalization,
}


class ReleasedNetwork(nn.Module):
    """A copy of a network with those layers; the others are the same in both codes."""

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        self.network = deepcopy(network).to(memory_format=torch.contiguous_format)
        for parent in list(self.network.modules()):
            for name, layer in parent.named_children():
                if type(layer) in RELEASED:
                    setattr(parent, name, RELEASED[type(layer)](layer))

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, 3, H, W] -> logits [n, n_classes]."""
        net = self.network
        maps = net.pool(net.bn1(net.conv1(images)).relu_())
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            maps = stage(maps)
        return net.fc(maps.mean((2, 3)))
