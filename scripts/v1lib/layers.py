"""Layers and initialisers that more than one model uses."""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


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
    """

    def __init__(
        self,
        n_features: int,
        *,
        epsilon: float = 1e-3,
        momentum: float = 0.1,
        has_gain: bool = False,
    ) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.momentum = momentum
        self.gain = nn.Parameter(torch.ones(n_features)) if has_gain else None
        self.bias = nn.Parameter(torch.zeros(n_features))
        self.register_buffer("running_mean", torch.zeros(n_features))
        self.register_buffer("running_var", torch.ones(n_features))

    def forward(self, x: Tensor) -> Tensor:
        """x [n, n_features, height, width] -> the same shape."""
        gain = torch.ones_like(self.bias) if self.gain is None else self.gain
        if self.training and _is_plain(x) and x.numel() > len(self.bias):
            normalised, mean, variance = _NormalisedByBatch.apply(x, gain, self.bias, self.epsilon)
            n = x.numel() // len(mean)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (n / (n - 1)), self.momentum)
            return normalised
        return nn.functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            gain,
            self.bias,
            self.training,
            self.momentum,
            self.epsilon,
        )


class _NormalisedByBatch(torch.autograd.Function):
    """Batch normalization in training, whose moments PyTorch takes one value after the other.

    For maps that are stored one after the other its forward pass takes three times as long on a
    CPU. The backward pass is PyTorch's.
    """

    @staticmethod
    def forward(
        ctx, x: Tensor, gain: Tensor, bias: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.flatten(2).mean(2).mean(0)
        deviation = x - mean[:, None, None]
        root_of_squares = torch.linalg.vector_norm(deviation.flatten(2), dim=2)
        variance = root_of_squares.square().mean(0) / (x.shape[2] * x.shape[3])
        inverse = (variance + epsilon).rsqrt()
        ctx.save_for_backward(x, gain, mean, inverse)
        ctx.epsilon = epsilon
        ctx.mark_non_differentiable(mean, variance)
        normalised = deviation.mul_((inverse * gain)[:, None, None]).add_(bias[:, None, None])
        return normalised, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor, *_: Tensor) -> tuple:
        x, gain, mean, inverse = ctx.saved_tensors
        found = torch.ops.aten.native_batch_norm_backward(
            gradient, x, gain, None, None, mean, inverse, True, ctx.epsilon,
            ctx.needs_input_grad[:3],
        )  # fmt: skip
        return *found, None


def _is_plain(x: Tensor) -> bool:
    """Whether maps are on the CPU, stored one after the other, and not under ``torch.func``."""
    is_ours = x.device.type == "cpu" and x.is_contiguous()
    return is_ours and not torch._C._are_functorch_transforms_active()


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
