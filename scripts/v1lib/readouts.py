"""From feature maps to neurons: readouts and output nonlinearities."""

import torch
from torch import Tensor, nn

from v1lib.layers import shifted_elu, truncated_normal_
from v1lib.masked_sums import masked_sums

SMALLEST_MEAN = 1e-3  # a silent neuron must not start at minus infinity
SMALLEST_NORM = 1e-6  # added to the norm of a mask
WEIGHT_STD = 0.01  # [Burg et al. 2021, models.py]


class FactorisedReadout(nn.Module):
    """Each neuron weighs places and features separately: sum_p sum_k A[p, k] Ws[p, j] Wf[k, j].

    Source: Klindt et al. 2017; Burg et al. 2021 (models.py).

    Args:
        n_places: height * width of the feature map, row by row.
        n_features: its channels.
        bias: float [n_neurons], where the bias starts.
        absolute: use the absolute values of the weights (all models of Burg et al. with one layer).
    """

    def __init__(self, n_places: int, n_features: int, bias: Tensor, *, absolute: bool) -> None:
        super().__init__()
        self.absolute = absolute
        n_neurons = len(bias)
        self.spatial = nn.Parameter(truncated_normal_(torch.empty(n_places, n_neurons), WEIGHT_STD))
        self.features = nn.Parameter(
            truncated_normal_(torch.empty(n_features, n_neurons), WEIGHT_STD)
        )
        self.bias = nn.Parameter(bias.clone())

    def forward(self, maps: Tensor) -> Tensor:
        """maps [n, n_features, height, width] -> [n, n_neurons]."""
        spatial, features = self.spatial, self.features
        if self.absolute:
            spatial, features = spatial.abs(), features.abs()
        return masked_sums(maps, spatial, features.T) + self.bias

    def sparsity(self) -> Tensor:
        """sum_j (sum_p |Ws[p, j]|) (sum_k |Wf[k, j]|): a sum over neurons, not a mean."""
        return (self.spatial.abs().sum(0) * self.features.abs().sum(0)).sum()


class DenseReadout(nn.Module):
    """One weight per neuron, channel and position, and a bias.

    Weights start Glorot-uniform with the fans of a convolution, as in the original of Cadena et al.
    2019: C*h*w inputs and n_neurons*h*w outputs. Biases start at 0.

    Attributes:
        weight: [n_neurons, C, h, w].
        bias: [n_neurons].
    """

    def __init__(self, shape: tuple[int, int, int], n_neurons: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_neurons, *shape)))
        self.bias = nn.Parameter(torch.zeros(n_neurons))

    def forward(self, maps: Tensor) -> Tensor:
        """maps [n, C, h, w] -> [n, n_neurons]."""
        return nn.functional.linear(maps.flatten(1), self.weight.flatten(1), self.bias)

    def sparsity(self) -> Tensor:
        """Absolute values of all weights, summed."""
        return self.weight.abs().sum()


class MaskReadout(nn.Module):
    """Each neuron weighs places by a mask that is never negative, and features by signed weights.

    sum_c w[j, c] sum_p m[p, j] maps[c, p] + bias[j]. At every pass, before it is used, the mask is
    projected: negative entries are set to 0 in the parameter itself, of which gradients know
    nothing. Masks start normal with a standard deviation of ``std``.

    Args:
        n_places: height * width of the feature map, row by row.
        features: ``v1lib.feature_weights`` of the neurons.
        bias: float [n_neurons], where the bias starts.
        std: of the initial mask; the paper's is 4.1232e-5.
        normalised: divide each mask by its Euclidean norm + 1e-6.
        separate: see ``sparsity``.

    Source: Lurz et al. 2021 (the public library's ``FullSXF``), reference section 3.4.
    """

    def __init__(
        self,
        n_places: int,
        features: nn.Module,
        bias: Tensor,
        *,
        std: float,
        normalised: bool = False,
        separate: bool = False,
    ) -> None:
        super().__init__()
        self.features = features
        self.normalised = normalised
        self.separate = separate
        self.mask = nn.Parameter(std * torch.randn(n_places, len(bias)))
        self.bias = nn.Parameter(bias.clone())

    def forward(self, maps: Tensor) -> Tensor:
        """maps [n, C, height, width] -> [n, n_neurons]."""
        with torch.no_grad():
            self.mask.copy_(self.mask.relu())
        mask = self.mask
        if self.normalised:
            mask = mask / (mask.square().sum(0).sqrt() + SMALLEST_NORM)
        return masked_sums(maps, mask, self.features()) + self.bias

    def sparsity(self) -> Tensor:
        """(sum of all masks) * (sum of all absolute feature weights).

        What the published code computes, whose sums forget to keep the neurons apart. With
        ``separate`` the sum over neurons of (sum of the mask) * (sum of the absolute feature
        weights), as the paper has it. Where another scan pays for shared features, the masks alone.
        """
        mask = self.mask.relu()  # as it will be used, without touching what a pass has used
        if not self.features.pays:
            return mask.sum()
        if self.separate:
            return (mask.sum(0) * self.features.unscaled().abs().sum(1)).sum()
        return mask.sum() * self.features.sparsity()


class OutputNonlinearity(nn.Module):
    """ELU(x - 1) + 1 times a piecewise linear function that is learned for each neuron.

    The function has ``n_bins`` pieces between ``low`` and ``high``: tents, and a ramp that stays 1
    at the right end; its weights are exponentials of ``log_weights``. Left of ``low`` the output is
    0. An odd number of bins is rounded down to an even one, as the original does.

    Source: Burg et al. 2021 (models.py, regularizers.py).
    """

    def __init__(
        self, n_neurons: int, *, low: float = -3.0, high: float = 6.0, n_bins: int = 50
    ) -> None:
        super().__init__()
        n_bins -= n_bins % 2
        self.low, self.width, self.n_bins = low, (high - low) / n_bins, n_bins
        self.log_weights = nn.Parameter(torch.zeros(n_neurons, n_bins))

    def forward(self, x: Tensor) -> Tensor:
        """x [n, n_neurons] -> responses of the same shape, 0 or above."""
        return shifted_elu(x) * self.multiplier(x)

    def multiplier(self, x: Tensor) -> Tensor:
        """The learned function alone: at most two of its tents differ from 0 at any x."""
        # Knot 0 carries no weight, knot b + 1 that of tent b; between knots it is linear.
        knots = nn.functional.pad(self.log_weights.exp(), (1, 0))
        place = ((x - self.low) / self.width).clamp(0, self.n_bins)
        left = place.detach().floor().clamp(max=self.n_bins - 1)
        share = place - left
        index = left.nan_to_num(0.0).long().T  # a NaN must stay one and point nowhere
        below = knots.gather(1, index).T
        above = knots.gather(1, index + 1).T
        return below + share * (above - below)

    def roughness(self) -> Tensor:
        """Squared first and second differences of the log weights, means over bins, summed."""
        first = self.log_weights.diff(dim=1)
        return ((first**2).mean(1) + (first.diff(dim=1) ** 2).mean(1)).sum()


def inverse_shifted_elu(mean: Tensor) -> Tensor:
    """The x at which ``shifted_elu`` gives ``mean``: where an output bias starts."""
    mean = mean.clamp(min=SMALLEST_MEAN)
    return torch.where(mean < 1, mean.log() + 1, mean)
