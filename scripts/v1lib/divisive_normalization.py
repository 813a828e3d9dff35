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
from v1lib.map_products import mixed_channels, on_both_sides

WEIGHT_STD = 1e-3  # of u and v; not truncated
EXPONENT_STD = 0.01
TINY = 1e-37  # a normal number whose logarithm is finite


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
        return _Quotient.apply(self._crop(driven), constant[:, None, None] + suppression)

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


def rectified_power(x: Tensor, exponent: Tensor) -> Tensor:
    """relu(x) ^ exponent with gradients 0 wherever x is 0 or below.

    There the derivative of the power is infinite for an exponent below 1; a product with the
    rectifier's 0 would be NaN.

    Args:
        x: [n, n_features, h, w].
        exponent: [n_features], above 0.
    """
    return _RectifiedPower.apply(x, exponent)


class _RectifiedPower(torch.autograd.Function):
    """Values and gradients in few passes over the maps, which bound the speed on a CPU."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, exponent: Tensor) -> Tensor:
        return x.clamp(min=0).pow(exponent[:, None, None])

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, exponent, power = ctx.saved_tensors
        x = x.clamp(min=TINY)
        by_power = gradient * power  # 0 wherever x is
        to_exponent = x.log().mul_(by_power).sum((0, 2, 3))
        return by_power.div_(x).mul_(exponent[:, None, None]), to_exponent


class _Quotient(torch.autograd.Function):
    """a / b; its backward pass divides once where PyTorch's divides three times."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return a / b

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(inputs[1], output)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        b, quotient = ctx.saved_tensors
        to_a = gradient / b
        return to_a, (to_a * quotient).neg_()


def neighbourhood_average(maps: Tensor, size: int) -> Tensor:
    """Average over the square of ``size`` around each place; outside the map nothing counts.

    The average is separable, so it is two products with small band matrices: several times faster
    than ``avg_pool2d`` with its backward pass on a CPU.

    Args:
        maps: [n, n_features, h, w].
        size: odd.
    """
    rows, columns = (_band(side, size, maps) for side in maps.shape[2:])
    return on_both_sides(rows, maps, columns)


def _band(side: int, size: int, like: Tensor) -> Tensor:
    place = torch.arange(side, device=like.device)
    near = ((place[:, None] - place).abs() <= size // 2).to(like.dtype)
    return near / near.sum(1, keepdim=True)
