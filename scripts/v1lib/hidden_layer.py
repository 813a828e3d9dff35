"""The hidden layer of the network of Kindel et al. 2019, made fast on one processor core.

`SparseGradientLinear` and `RectifiedDropout` stand for `nn.Linear` and for `nn.ReLU` followed by
`nn.Dropout`, and fall back on them wherever the compiled kernels cannot be used.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from v1lib.pooled_convolution import flat, kernels_apply

try:
    from v1lib import dense_kernels
except ImportError as missing:
    if (missing.name or "").startswith("v1lib"):
        raise
    dense_kernels = None


class SparseGradientLinear(nn.Linear):
    """A dense layer whose backward pass skips the zeros of the gradient that reaches it.

    Same parameters, initialisation, values and gradients (to rounding) as `nn.Linear`. Behind it
    should follow ReLU and dropout, which let about a third of the gradient pass.

    Attributes:
        fused: whether the compiled kernels may be used; True at first.
    """

    fused = True

    def forward(self, inputs: Tensor) -> Tensor:
        """[n, in_features] -> [n, out_features]; other shapes as `nn.Linear`."""
        tensors = (inputs, self.weight, self.bias)
        possible = self.fused and inputs.dim() == 2 and self.bias is not None
        if possible and kernels_apply(*tensors) and dense_kernels.supports(self.in_features):
            return _SparseGradient.apply(*tensors)
        return super().forward(inputs)


class RectifiedDropout(nn.Module):
    """ReLU, then dropout with inverted scaling: 1/keep in training, nothing at evaluation.

    In training on the CPU the mask is made from one 64-bit number of PyTorch's generator by
    SplitMix64; it follows PyTorch's seed but is not the mask `nn.Dropout` would draw.

    Args:
        keep: probability to keep a unit, in (0, 1]; exact to 2**-32.

    Attributes:
        fused: whether the compiled kernels may be used; True at first.

    Raises:
        ValueError: `keep` is outside (0, 1].
    """

    def __init__(self, keep: float) -> None:
        super().__init__()
        if not 0 < keep <= 1:
            raise ValueError(f"the probability to keep a unit must be in (0, 1], not {keep}")
        self.keep, self.fused = keep, True

    def forward(self, values: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if not self.training or self.keep == 1:
            return functional.relu(values)
        if self.fused and kernels_apply(values):
            return _RectifyAndDrop.apply(values, self.keep)
        return functional.dropout(functional.relu(values), 1 - self.keep)

    def extra_repr(self) -> str:
        """What the representation of a network shows."""
        return f"keep={self.keep}"


class _SparseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return functional.linear(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        inputs, weight = ctx.saved_tensors
        sizes, n_images = weight.shape[::-1], len(inputs)
        gradient, inputs, weight = (t.contiguous() for t in (gradient, inputs, weight))
        weight_gradient, bias_gradient = torch.empty_like(weight), weight.new_empty(len(weight))
        arrays = map(flat, (gradient, inputs, weight_gradient, bias_gradient))
        dense_kernels.weight_gradient_kernel(*sizes)(*arrays, n_images)
        if not ctx.needs_input_grad[0]:
            return None, weight_gradient, bias_gradient
        input_gradient = torch.empty_like(inputs)
        arrays = map(flat, (gradient, weight, input_gradient))
        dense_kernels.input_gradient_kernel(*sizes)(*arrays, n_images)
        return input_gradient, weight_gradient, bias_gradient


class _RectifyAndDrop(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values: Tensor, keep: float) -> Tensor:
        values = values.contiguous()
        kept = torch.empty_like(values)
        key = flat(torch.empty(1, dtype=torch.int64).random_(-(2**63), None)).view(np.uint64)[0]
        threshold, scale = np.uint64(round(keep * 2**32)), np.float32(1 / keep)
        dense_kernels.rectify_and_drop(flat(values), key, threshold, scale, flat(kept))
        ctx.scale = scale
        ctx.save_for_backward(kept)
        return kept

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        (kept,) = ctx.saved_tensors
        passed = torch.empty_like(kept)
        arrays = map(flat, (gradient.contiguous(), kept))
        dense_kernels.pass_where_kept(*arrays, ctx.scale, flat(passed))
        return passed, None
