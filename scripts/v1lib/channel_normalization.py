"""Divisive normalization among channels (Pogoncheff et al. 2023): tuned and untuned.

Both divide rectified features by a constant plus a weighted sum of all features; there are no
exponents. Tuned pools have one width per channel and no extent in space, untuned ones a Gaussian of
3 x 3 places for each pair of channels.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from v1lib import minimal_filtering

MIN_WIDTH = 0.5  # channels
MIN_VARIANCE = 0.1
SIDE = 3  # of an untuned pool
FEW_CHANNELS = 96  # below, a plain convolution is as fast


class TunedNormalization(nn.Module):
    """y_i = x_i / (1 + sum_j g_ij x_j): the pool of a channel is centred opposite on a ring.

    Channels lie on a ring, and g_ij falls off as a Gaussian with the distance between i and the
    channel opposite to j. Its width belongs to the source j, which hands out weights of sum one.

    Args:
        n_channels: on the ring.

    Attributes:
        width: [n_channels], standard deviations in channels, those below 0.5 count as that;
            uniform between n_channels / 8 and one more at first.
        distance: [normalized, source], between i and the channel opposite to j.

    Source: reference section 3.5; utils/DivisiveNormalization.py of the published code.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.width = nn.Parameter(torch.rand(n_channels) + n_channels / 8)
        channel = torch.arange(n_channels)
        distance = ((channel - channel[:, None]) % n_channels - n_channels // 2).abs().float()
        self.register_buffer("distance", distance, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Rectified features [n, n_channels, h, w] -> normalized ones of the same shape."""
        weights = self.pool_weights()[:, :, None, None]
        return features / (1 + functional.conv2d(features, weights))

    def pool_weights(self) -> Tensor:
        """g, [normalized, source]; every column sums to one."""
        weights = torch.exp(-0.5 * (self.distance / self.width.clamp(min=MIN_WIDTH)).square())
        return weights / weights.sum(0)


class UntunedNormalization(nn.Module):
    """y_i = x_i / (|b| + sum_j (K_ij * x_j)): dense 3 x 3 pools after Cirincione et al. 2022.

    K_ij = |A / max(2 pi rho sigma, 0.1)| exp(-q / 2) is a Gaussian of its own for each pair of
    channels, rotated by theta around the corner of the pool and centred on (v, w) in its own axes:

        q = (X cos theta + Y sin theta - v)^2 / max(rho^2, 0.1)
            + (Y cos theta - X sin theta - w)^2 / max(sigma^2, 0.1)

    with X and Y the columns and rows 1, 2, 3.

    Args:
        n_channels: of the features.

    Attributes:
        amplitude, rho, sigma, theta, v, w: [normalized, source].
        bias: [1].
        fast: whether many channels may be convolved by ``v1lib.minimal_filtering``, on a CPU.

    Source: reference section 3.5; utils/DivisiveNormalization.py of the published code.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        shape = (n_channels, n_channels)
        self.amplitude = nn.Parameter(torch.rand(shape))
        self.rho = nn.Parameter(torch.rand(shape) + 1)
        self.sigma = nn.Parameter(torch.rand(shape) + 1)
        self.theta = nn.Parameter(torch.rand(shape) * 2 * math.pi)
        self.v = nn.Parameter(torch.randn(shape) + 1)
        self.w = nn.Parameter(torch.randn(shape) + 1)
        self.bias = nn.Parameter(torch.rand(1) + 1)
        y, x = torch.meshgrid(*[torch.arange(1.0, SIDE + 1)] * 2, indexing="ij")
        places = torch.stack([x.flatten(), y.flatten(), -torch.ones(SIDE**2)], dim=1)
        self.register_buffer("places", places, persistent=False)
        self.fast = True

    def forward(self, features: Tensor) -> Tensor:
        """Rectified features [n, n_channels, h, w] -> normalized ones of the same shape."""
        if self.fast and self._is_many(features):
            pooled = minimal_filtering.convolve(features, self._by_place().transpose(1, 2))
        else:
            pooled = functional.conv2d(features, self.kernels(), padding=SIDE // 2)
        return features / (self.bias.abs() + pooled)

    def kernels(self) -> Tensor:
        """K, [normalized, source, 3, 3]."""
        by_place = self._by_place()
        return by_place.permute(1, 2, 0).unflatten(2, (SIDE, SIDE))

    def _by_place(self) -> Tensor:
        """K, [9, normalized, source], places by rows.

        In single precision throughout, as in the original, whose formula has no product of matrices
        that mixed precision would round.
        """
        with torch.autocast(self.theta.device.type, enabled=False):
            cosine, sine = self.theta.cos(), self.theta.sin()
            across = torch.stack([cosine, sine, self.v]) / _deviation(self.rho)
            along = torch.stack([-sine, cosine, self.w]) / _deviation(self.sigma)
            q = sum((self.places @ axis.flatten(1)).square() for axis in (across, along))
            height = (self.amplitude / (2 * math.pi * self.rho * self.sigma).clamp(min=0.1)).abs()
            return (torch.exp(-0.5 * q) * height.flatten()).unflatten(1, self.theta.shape)

    def _is_many(self, features: Tensor) -> bool:
        plain = features.device.type == "cpu" and features.dtype == self.theta.dtype
        return plain and len(self.theta) >= FEW_CHANNELS and not torch.is_autocast_enabled("cpu")


def _deviation(spread: Tensor) -> Tensor:
    return spread.square().clamp(min=MIN_VARIANCE).sqrt()
