"""Divisive normalization with learned weights (Burg et al. 2021, models.py).

    y_l = z_l ^ n_l,   q_k = 5x5 average of y_k,
    out_l = y_l / (sigma_l ^ n_l + sum_k p_kl * q_k)

with z the rectified features, n and sigma an exponent and a semi-saturation constant per feature,
and p the normalization weights: one per pair of features (specific), or one per normalized feature
(non-specific). With a spatial pool, p also extends over a dilated grid of places.
"""

import torch
from torch import Tensor, nn

from v1lib.layers import truncated_normal_
from v1lib.map_products import mixed_channels
from v1lib.normalization_functions import neighbourhood_average, quotient, rectified_power

WEIGHT_STD = 1e-3  # of u and v; not truncated
EXPONENT_STD = 0.01


class DivisiveNormalization(nn.Module):
    """Divide each feature by a weighted sum of all features nearby.

    Args:
        n_features: channels.
        specific: a weight for each pair of features, else one per normalized feature.
        pool_size: side of the spatial pool, in points of the dilated grid; 1 for none.
        n_components: components m of the pool.
        dilation: pixels between the points of the pool.
        average_size: side of the neighbourhood over which features are averaged.
        pooling: "average"; or "max", which the original offers and never uses.
        padding: "valid" loses a margin with a spatial pool; "same" (zeros) as "max" above.

    Raises:
        ValueError: pooling or padding is none of these.

    Attributes:
        exponent, semi_saturation: [n_features]; absolute values count.
        pool: u [n_features, n_components, pool_size, pool_size].
        weights: v [provider, normalized, component], or [normalized, component].
    """

    def __init__(
        self,
        n_features: int,
        *,
        specific: bool,
        pool_size: int = 1,
        n_components: int = 1,
        dilation: int = 5,
        average_size: int = 5,
        pooling: str = "average",
        padding: str = "valid",
    ) -> None:
        super().__init__()
        if pooling not in ("average", "max"):
            raise ValueError(f"pooling is {pooling!r}, allowed: average, max")
        if padding not in ("valid", "same"):
            raise ValueError(f"padding is {padding!r}, allowed: valid, same")
        self.pooling = pooling
        self.padding = padding
        self.specific = specific
        self.pool_size = pool_size
        self.dilation = dilation
        self.average_size = average_size
        near_one = [1 + truncated_normal_(torch.empty(n_features), EXPONENT_STD) for _ in range(2)]
        self.exponent, self.semi_saturation = map(nn.Parameter, near_one)
        shape = (n_features, n_components, pool_size, pool_size)
        self.pool = nn.Parameter(WEIGHT_STD * torch.randn(shape))
        providers = (n_features,) if specific else ()
        self.weights = nn.Parameter(WEIGHT_STD * torch.randn(*providers, n_features, n_components))

    @property
    def margin(self) -> int:
        """Pixels that a map loses on each side."""
        return 0 if self.padding == "same" else self.dilation * (self.pool_size - 1) // 2

    def forward(self, features: Tensor) -> Tensor:
        """Rectified features [n, n_features, h, w] -> normalized ones, smaller by the margin."""
        exponent = self.exponent.abs()
        driven = rectified_power(features, exponent)
        constant = self.semi_saturation.abs() ** exponent
        suppression = self.suppression(self._average(driven))
        return quotient(self._crop(driven), constant, suppression)

    def pooled(self, features: Tensor) -> Tensor:
        """q: rectified features [n, n_features, h, w] -> averages of their powers, same shape."""
        return self._average(rectified_power(features, self.exponent.abs()))

    def suppression(self, pooled: Tensor) -> Tensor:
        """sum_k p_kl q_k: [n, n_features, h, w] -> the same, smaller by the margin."""
        if not self.specific:
            pooled = pooled.sum(1, keepdim=True)
        if self.pool_size == 1 and not self.specific:
            return pooled * self.weights.abs().sum(1)[:, None, None]
        if self.pool_size == 1:
            return mixed_channels(self.pool_weights()[:, :, 0, 0], pooled)
        return nn.functional.conv2d(
            pooled, self.pool_weights(), dilation=self.dilation, padding=self.padding
        )

    def normalized_pool(self) -> Tensor:
        """|u| with norm 1 over places: [n_features, n_components, pool_size, pool_size]."""
        return (self.pool / self.pool.square().sum((2, 3), keepdim=True).sqrt()).abs()

    def pool_weights(self) -> Tensor:
        """p as a convolution kernel: [normalized, provider (1 if non-specific), size, size]."""
        weights = self.weights.abs()
        if not self.specific:
            weights = weights[None]
        if self.pool_size == 1:  # |u| is 1: left out, for its gradient would be rounding noise
            return weights.sum(2).T[:, :, None, None]
        return torch.einsum("lmyx,klm->lkyx", self.normalized_pool(), weights)

    def input_weights(self) -> Tensor:
        """p_kl of a pool without spatial extent: [provider, normalized].

        Raises:
            ValueError: the pool extends in space.
        """
        if self.pool_size != 1:
            raise ValueError(f"the pool has {self.pool_size}x{self.pool_size} places, not one")
        weights = self.pool_weights()[:, :, 0, 0].T
        return weights.expand(len(self.exponent), -1)

    def size(self) -> Tensor:
        """Sum of |v| over providers, normalized features and components."""
        n_copies = 1 if self.specific else len(self.exponent)
        return n_copies * self.weights.abs().sum()

    def _average(self, maps: Tensor) -> Tensor:
        if self.pooling == "max":
            size = self.average_size
            return nn.functional.max_pool2d(maps, size, stride=1, padding=size // 2)
        return neighbourhood_average(maps, self.average_size)

    def _crop(self, maps: Tensor) -> Tensor:
        m = self.margin
        return maps[:, :, m : maps.shape[2] - m, m : maps.shape[3] - m]
