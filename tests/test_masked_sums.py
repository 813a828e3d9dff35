"""Feature maps summed by masks: NumPy's products against PyTorch's."""

import pytest
import torch
from torch.func import grad, vmap

from agreement import assert_agree, value_and_gradients
from v1lib import masked_sums as module
from v1lib.masked_sums import masked_sums

pytest.importorskip("numba")

NAMES = ("maps", "mask", "features")


def tensors_of(n, channels, height, width, n_neurons):
    generator = torch.Generator().manual_seed(0)
    shapes = ((n, channels, height, width), (height * width, n_neurons), (n_neurons, channels))
    return [torch.randn(shape, generator=generator) for shape in shapes]


def by_pytorch(maps, mask, features):
    return torch.einsum("ncp,pk,kc->nk", maps.flatten(2), mask, features)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("values_at_once", [1, 500, 2**22])
def test_values_and_gradients_are_those_of_pytorch(monkeypatch, values_at_once, n_threads):
    monkeypatch.setattr(module, "VALUES_AT_ONCE", values_at_once)
    tensors = tensors_of(5, 6, 4, 7, 11)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        ours = value_and_gradients(masked_sums, tensors)
    finally:
        torch.set_num_threads(before)
    assert_agree(ours, value_and_gradients(by_pytorch, tensors))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_gradient_has_the_layout_of_the_maps(layout):
    maps, mask, features = tensors_of(3, 6, 4, 7, 5)
    maps = maps.contiguous(memory_format=layout).requires_grad_()
    (gradient,) = torch.autograd.grad(masked_sums(maps, mask, features).sum(), [maps])
    assert gradient.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("only", NAMES)
def test_gradients_that_nobody_needs_are_left_out(only):
    needed = [name == only for name in NAMES]
    tensors = tensors_of(3, 4, 5, 6, 7)
    ours = value_and_gradients(masked_sums, tensors, needed)
    assert sum(gradient is not None for gradient in ours[1:]) == 1
    assert_agree(ours, value_and_gradients(by_pytorch, tensors, needed))


def test_other_types_and_transformations_are_pytorchs():
    tensors = tensors_of(3, 4, 5, 6, 7)
    value = masked_sums(*(t.requires_grad_() for t in tensors))
    assert "MaskedSums" in type(value.grad_fn).__name__
    doubles = [t.detach().double().requires_grad_() for t in tensors]
    assert "MaskedSums" not in type(masked_sums(*doubles).grad_fn).__name__

    def total(mask):
        return masked_sums(tensors[0].detach(), mask, tensors[2].detach()).square().sum()

    masks = torch.stack([tensors[1].detach(), 2 * tensors[1].detach()])
    found = vmap(grad(total))(masks)
    torch.testing.assert_close(found[1], 2 * found[0], rtol=1e-4, atol=1e-3)
