"""Layers and initialisers that more than one model uses."""

import math

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from v1lib.map_calls import map_kernels, share_out
from v1lib.pooled_convolution import kernels_apply


def truncated_normal_(tensor: Tensor, std: float) -> Tensor:
    """Fill with a normal of standard deviation ``std``, redrawn outside two of them.

    ``trunc_normal_`` of PyTorch truncates at absolute bounds; TensorFlow, which the original code
    of Kindel et al. 2019 uses, truncates at two standard deviations.
    """
    return nn.init.trunc_normal_(tensor, mean=0.0, std=std, a=-2 * std, b=2 * std)


def dense(n_inputs: int, n_outputs: int, kind: type[nn.Linear] = nn.Linear) -> nn.Linear:
    """A dense layer with truncated-normal weights of 0.1/sqrt(n_inputs) and biases 0.

    ``kind`` is the class of the layer, for one that computes the same in another way.

    Source: Kindel et al. 2019, src/buildnet.py.
    """
    layer = kind(n_inputs, n_outputs)
    truncated_normal_(layer.weight, 0.1 / n_inputs**0.5)
    nn.init.zeros_(layer.bias)
    return layer


def shifted_elu(x: Tensor) -> Tensor:
    """ELU(x - 1) + 1: exp(x - 1) below 1, the identity above.

    Source: Cadena et al. 2019; Burg et al. 2021 (models.py).
    """
    return nn.functional.elu(x - 1) + 1


class BatchNorm(nn.Module):
    """Batch normalization over images and places, with an offset and, if asked for, a gain.

    In training it normalises by the biased variance of the batch and moves the running statistics
    (with the unbiased one) a tenth of the way; TensorFlow's defaults, which the original of Burg et
    al. 2021 uses: ``epsilon`` is 100 times that of PyTorch and matters for small features. Unlike
    ``nn.BatchNorm2d`` it can be stacked (``v1lib.stacking``).

    Args:
        n_features: channels.
        epsilon: added to the variance.
        momentum: how far the running statistics move.
        has_gain: whether a gain is learned.
        rectify: whether a rectifier follows; done together, both are faster in training.
    """

    def __init__(
        self,
        n_features: int,
        *,
        epsilon: float = 1e-3,
        momentum: float = 0.1,
        has_gain: bool = False,
        rectify: bool = False,
    ) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.momentum = momentum
        self.rectify = rectify
        self.gain = nn.Parameter(torch.ones(n_features)) if has_gain else None
        self.bias = nn.Parameter(torch.zeros(n_features))
        self.register_buffer("running_mean", torch.zeros(n_features))
        self.register_buffer("running_var", torch.ones(n_features))

    def forward(self, x: Tensor) -> Tensor:
        """x [n, n_features, height, width] -> the same shape."""
        gain = torch.ones_like(self.bias) if self.gain is None else self.gain
        if self.training and self._is_plain(x) and kernels_apply(x, gain, self.bias):
            normalised, mean, variance = _NormalisedByBatch.apply(
                x, gain, self.bias, self.epsilon, 0.0 if self.rectify else -math.inf
            )
            n = x.numel() // len(mean)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (n / (n - 1)), self.momentum)
            return normalised
        normalised = nn.functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            gain,
            self.bias,
            self.training,
            self.momentum,
            self.epsilon,
        )
        return normalised.relu() if self.rectify else normalised

    def _is_plain(self, x: Tensor) -> bool:
        """Whether these are maps stored one after the other; PyTorch refuses what it cannot do."""
        fits = x.dim() == 4 and x.shape[1] == len(self.bias) < x.numel()
        return fits and x.is_contiguous()


class _NormalisedByBatch(torch.autograd.Function):
    """Batch normalization in training by compiled kernels, for maps stored one after the other.

    Nothing below ``lowest`` comes out: 0 for a rectifier, -infinity without one.
    """

    @staticmethod
    def forward(
        ctx, x: Tensor, gain: Tensor, bias: Tensor, epsilon: float, lowest: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        means, squares = (x.new_empty(x.shape[:2]) for _ in range(2))
        share_out(map_kernels.moments, x, means, squares)
        mean, n_places = means.mean(0), x.shape[2] * x.shape[3]
        variance = squares.mean(0) / n_places + (means - mean).square().mean(0)
        inverse = (variance + epsilon).rsqrt()
        scaling, normalised = torch.stack([mean, inverse * gain, bias]), torch.empty_like(x)
        share_out(map_kernels.normalise, x, scaling, lowest, normalised)
        ctx.save_for_backward(x, inverse, scaling)
        ctx.lowest = lowest
        ctx.mark_non_differentiable(mean, variance)
        return normalised, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor, *_: Tensor) -> tuple:
        x, inverse, scaling = ctx.saved_tensors
        given = (gradient.contiguous(), x, scaling, ctx.lowest)
        sums = x.new_empty(2, *x.shape[:2])
        share_out(map_kernels.sum_gradients, *given, sums)
        total, product = sums.sum(1)
        if not ctx.needs_input_grad[0]:
            return None, product * inverse, total, None, None
        n, result = x.numel() // len(inverse), torch.empty_like(x)
        line = torch.stack([inverse.square() * product, total]) * (-scaling[1] / n)
        share_out(map_kernels.pass_gradients, *given, line, result)
        return result, product * inverse, total, None, None


class ScaledRectifier(nn.Module):
    """A rectifier with a gain and an offset per unit: gain * relu(x) + offset.

    Source: classes LNLN and LnonL of Kindel et al. 2019, src/buildnet.py; the gain starts at
    0.1 plus a truncated normal of standard deviation 0.02, the offset at 0.
    """

    def __init__(self, n_units: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(0.1 + truncated_normal_(torch.empty(n_units), 0.02))
        self.offset = nn.Parameter(torch.zeros(n_units))

    def forward(self, x: Tensor) -> Tensor:
        """x [n, n_units] -> [n, n_units]."""
        return self.gain * torch.relu(x) + self.offset
