"""Products of feature maps with small matrices: NumPy's against PyTorch's."""

import pytest
import torch
from torch.func import grad, vmap

from agreement import assert_agree, value_and_gradients
from v1lib import map_products as module
from v1lib.map_products import mixed_channels

pytest.importorskip("numba")


def tensors_of(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.fixture
def calls(monkeypatch):
    """How often the work is shared out, so that a silent way back to PyTorch is seen."""
    seen = []
    share_out = module._share_out
    monkeypatch.setattr(module, "_share_out", lambda *given: seen.append(1) or share_out(*given))
    return seen


@pytest.mark.usefixtures("one_and_two_threads")
def test_channels_are_mixed(calls):
    tensors = tensors_of((4, 3), (5, 3, 6, 7))
    exact = value_and_gradients(
        lambda w, m: torch.einsum("lk,nkhw->nlhw", w, m), [t.double() for t in tensors]
    )
    assert_agree(value_and_gradients(mixed_channels, tensors), exact)
    assert len(calls) == 3


def test_gradients_that_nobody_needs_are_not_taken(calls):
    weights, maps = tensors_of((4, 3), (5, 3, 6, 7))
    mixed_channels(weights.requires_grad_(), maps).sum().backward()
    assert weights.grad is not None and len(calls) == 2


def test_functional_transformations_take_pytorchs_way(calls):
    weights, maps = tensors_of((2, 4, 3), (2, 5, 3, 6, 7))

    def loss(w, m):
        return mixed_channels(w, m).square().sum()

    stacked = vmap(grad(loss))(weights, maps)
    assert not calls
    for number, found in enumerate(stacked):
        alone = weights[number].clone().requires_grad_()
        loss(alone, maps[number]).backward()
        torch.testing.assert_close(found, alone.grad, rtol=1e-4, atol=1e-4)
