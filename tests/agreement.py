"""Whether two ways to compute the same agree, in values and in gradients."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def value_and_gradients(
    function: Callable[..., Tensor], tensors: Sequence[Tensor], needed: Sequence[bool] = ()
) -> list[Tensor | None]:
    """What a function gives, and the gradients of the tensors that are needed (all by default)."""
    given = [
        t.clone(memory_format=torch.preserve_format).requires_grad_(is_needed)
        for t, is_needed in zip(tensors, needed or [True] * len(tensors), strict=True)
    ]
    value = function(*given)
    upstream = torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
    value.backward(upstream.to(value.dtype))
    return [value.detach(), *(t.grad for t in given)]


def assert_agree(ours: Sequence[Tensor | None], theirs: Sequence[Tensor | None]) -> None:
    """Both have the same gradients, and all are equal to rounding, whatever their precision."""
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            scale = float(b.abs().max())
            torch.testing.assert_close(a.to(b.dtype), b, rtol=1e-4, atol=2e-6 * scale)
