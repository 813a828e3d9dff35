"""A frozen layer of VGG-16 as the core of a response model."""

from pathlib import Path

import torch
from torch import Tensor, nn

from v1lib.cores import NORM_EPSILON
from v1lib.layers import BatchNorm
from v1lib.vgg import N_COLOURS, fixed_network, layers_up_to


class VggCore(nn.Module):
    """A layer of VGG-16 before its rectifier, then batch normalization and a rectifier.

    The convolutions are never trained. Grey images are normalised with the two numbers and copied
    to the three colours, without the usual subtraction of ImageNet's mean and without resizing.

    Args:
        layer: "conv1_1" to "conv5_3"; the paper's is "conv2_2".
        weights: file of torchvision's VGG-16; None for random ones as torchvision draws them
            (Kaiming-normal over the outputs, biases 0), which are then part of the model.
        momentum: of the batch norm; the paper's is 0.1.
        image_mean, image_sd: of the grey values.

    Raises:
        ValueError: the layer is unknown, or the file is not that of a VGG-16.
        FileNotFoundError: there is no such file.

    Source: Lurz et al. 2021, reference section 3.2.
    """

    def __init__(
        self,
        *,
        layer: str,
        weights: Path | None,
        momentum: float,
        image_mean: float,
        image_sd: float,
    ) -> None:
        super().__init__()
        self.register_buffer("image_mean", torch.tensor(image_mean))
        self.register_buffer("image_sd", torch.tensor(image_sd))
        network = _random_vgg(layer) if weights is None else fixed_network(layer, weights)
        self.convolutions = network.features[:-1]
        kernels = [m for m in self.convolutions if isinstance(m, nn.Conv2d)]
        self.shrinkage = 2 ** sum(isinstance(m, nn.MaxPool2d) for m in self.convolutions)
        self.n_features = kernels[-1].out_channels
        self.norm = BatchNorm(
            self.n_features, epsilon=NORM_EPSILON, momentum=momentum, has_gain=True
        )

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 1, H, W] -> feature maps [n, n_features, h, w]."""
        normalised = (images - self.image_mean) / self.image_sd
        maps = self.convolutions(normalised.expand(-1, N_COLOURS, -1, -1))
        return torch.relu(self.norm(maps))

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of the feature maps of images of that size.

        Raises:
            ValueError: the images are too small.
        """
        if min(height, width) < self.shrinkage:
            raise ValueError(f"images of {height} x {width} px are too small for this layer of VGG")
        return height // self.shrinkage, width // self.shrinkage

    def to_pixels(self, place: Tensor) -> Tensor:
        """As that of ``v1lib.cores.ConvolutionalCore``: a place covers what was pooled into it."""
        return place * self.shrinkage + (self.shrinkage - 1) / 2

    def smoothness(self) -> Tensor:
        """0: nothing of the convolutions is penalised."""
        return self.norm.bias.new_zeros(())


def _random_vgg(layer: str) -> nn.Module:
    network = layers_up_to(layer).requires_grad_(False)
    for module in network.features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return network
