"""Layers that more than one model uses."""

import pytest
import torch
from torch import nn

from v1lib.layers import BatchNorm

N_FEATURES, MOMENTUM, EPSILON = 5, 0.1, 1e-3


def maps_of(mean):
    generator = torch.Generator().manual_seed(0)
    return mean + torch.randn((6, N_FEATURES, 7, 9), generator=generator)


def trained(norm, maps):
    """What a layer gives, the gradients of all that has some, and its running statistics."""
    x = maps.clone().requires_grad_()
    shown = norm.train()(x)
    (shown.square() * torch.linspace(-1, 1, shown.numel()).view_as(shown)).sum().backward()
    gain = norm.gain if isinstance(norm, BatchNorm) else norm.weight
    of_gain = torch.zeros(N_FEATURES) if gain is None or gain.grad is None else gain.grad
    return shown.detach(), x.grad, norm.bias.grad, of_gain, norm.running_mean, norm.running_var


@pytest.mark.parametrize("has_gain", [True, False], ids=["gain", "no gain"])
@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize("mean", [0.0, 300.0])
def test_batch_normalization_is_that_of_pytorch(has_gain, layout, mean):
    """Whatever way the moments are taken; also where the mean is far larger than the deviation."""
    maps = maps_of(mean).contiguous(memory_format=getattr(torch, layout))
    ours = BatchNorm(N_FEATURES, epsilon=EPSILON, momentum=MOMENTUM, has_gain=has_gain)
    theirs = nn.BatchNorm2d(N_FEATURES, eps=EPSILON, momentum=MOMENTUM).double()
    theirs.weight.requires_grad_(has_gain)
    expected = trained(theirs, maps.double())
    for found, wanted in zip(trained(ours, maps), expected, strict=True):
        wanted, scale = wanted.double(), float(wanted.abs().max()) + 1e-6
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-4 * scale)


def test_moments_of_plain_maps_are_not_pytorchs(monkeypatch):
    """A silent way back to the slower moments is seen."""
    monkeypatch.setattr(nn.functional, "batch_norm", lambda *_: pytest.fail("PyTorch's moments"))
    norm = BatchNorm(N_FEATURES).train()
    assert norm(maps_of(0.0)).isfinite().all() and norm.running_mean.abs().max() > 0


def test_a_single_value_has_no_variance():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        BatchNorm(N_FEATURES).train()(torch.zeros(1, N_FEATURES, 1, 1))
