"""Tuned and untuned normalization against the recorded originals and the reference's values."""

import numpy as np
import pytest
import torch

from v1lib import channel_normalization
from v1lib.channel_normalization import TunedNormalization, UntunedNormalization

OURS = {"amplitude": "A", "rho": "rho", "sigma": "sigma", "theta": "theta", "v": "v", "w": "w"}


def tensors(case):
    return {key: torch.as_tensor(value) for key, value in case.items()}


def assert_close_to_the_largest(found, expected):
    atol = 1e-4 * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(("name", "n_channels"), [("even", 8), ("odd", 7)])
def test_the_original_tuned(golden, name, n_channels):
    case = tensors(golden(f"pogoncheff2023/tuned_normalisation_{name}_channels.npz"))
    layer = TunedNormalization(n_channels)
    layer.width.data = case["param__sigmas"]
    assert torch.equal(layer.distance, case["param__channel_distances"])
    weights = layer.pool_weights()
    torch.testing.assert_close(weights, case["channel_weights_out_in"], rtol=1e-4, atol=1e-5)
    x = case["x"].requires_grad_()
    output = layer(x)
    torch.testing.assert_close(output, case["output"], rtol=1e-4, atol=1e-5)
    output.backward(case["grad_seed"])
    torch.testing.assert_close(x.grad, case["grad__x"], rtol=1e-4, atol=1e-5)
    assert_close_to_the_largest(layer.width.grad, case["grad__sigmas"])


def test_tuned_values_of_the_reference():
    layer = TunedNormalization(8)
    layer.width.data = 0.25 + 0.25 * torch.arange(8.0)
    column = layer.pool_weights()[:, 0].detach()
    expected = [0, 0, 0.000264, 0.106451, 0.786571, 0.106451, 0.000264, 0]
    np.testing.assert_allclose(column, expected, atol=1e-6)
    y = layer(torch.arange(8.0).view(1, 8, 1, 1)).flatten().detach()
    expected = [0, 0.181211, 0.388682, 0.699734, 1.187870, 1.347496, 1.494799, 1.509376]
    np.testing.assert_allclose(y, expected, atol=2e-6)


def test_a_tuned_pool_lies_opposite():
    weights = TunedNormalization(16).pool_weights()
    assert weights.argmax(0).tolist() == [(channel + 8) % 16 for channel in range(16)]
    torch.testing.assert_close(weights.sum(0), torch.ones(16))


@pytest.mark.parametrize("n_channels", [64, 256])
def test_start_of_the_widths(n_channels):
    width = TunedNormalization(n_channels).width
    assert n_channels / 8 <= width.min() and width.max() <= n_channels / 8 + 1


def test_narrow_widths_count_as_half_a_channel():
    layer = TunedNormalization(8)
    layer.width.data.fill_(0.1)
    narrow = layer.pool_weights()
    layer.width.data.fill_(0.5)
    torch.testing.assert_close(narrow, layer.pool_weights(), rtol=0, atol=0)


@pytest.fixture(params=["plain", "minimal filtering"])
def way(request, monkeypatch):
    """Convolution with the untuned pools by PyTorch and by minimal filtering."""
    few = 10**6 if request.param == "plain" else 1
    monkeypatch.setattr(channel_normalization, "FEW_CHANNELS", few)
    return request.param


def test_the_original_untuned(golden, way):
    case = tensors(golden("pogoncheff2023/divisive_normalisation_standard.npz"))
    layer = UntunedNormalization(6)
    for ours, theirs in OURS.items():
        getattr(layer, ours).data = case[f"param__{theirs}"][:, :, 0, 0]
    layer.bias.data = case["param__bias"]
    torch.testing.assert_close(layer.kernels(), case["kernels"], rtol=1e-4, atol=1e-5)
    x = case["x"].requires_grad_()
    output = layer(x)
    torch.testing.assert_close(output, case["output"], rtol=1e-4, atol=1e-5)
    output.backward(case["grad_seed"])
    torch.testing.assert_close(x.grad, case["grad__x"], rtol=1e-4, atol=1e-5)
    assert_close_to_the_largest(layer.bias.grad, case["grad__bias"])
    for ours, theirs in OURS.items():
        expected = case[f"grad__{theirs}"][:, :, 0, 0]
        assert_close_to_the_largest(getattr(layer, ours).grad, expected)


def test_untuned_values_of_the_reference(way):
    layer = UntunedNormalization(2)
    values = {
        "amplitude": [0.5, 1, 0.2, 0.8],
        "rho": [1, 1.2, 1.4, 1.6],
        "sigma": [1.5, 1.3, 1.1, 0.9],
        "theta": [0, 0.5, 1, 1.5],
        "v": [1, 1.5, 2, 0.5],
        "w": [1, 0.8, 0.6, 1.2],
    }
    for name, value in values.items():
        getattr(layer, name).data = torch.tensor(value).view(2, 2)
    layer.bias.data.fill_(1.5)
    y = layer((torch.arange(18.0) / 10).view(1, 2, 3, 3)).flatten().detach()
    expected = [0, 0.055771, 0.111915, 0.169830, 0.191391, 0.241623, 0.339200, 0.335221, 0.388714]
    expected += [0.598329, 0.659035, 0.722917, 0.793828, 0.842845, 0.904758]
    expected += [0.993178, 1.038929, 1.101532]
    np.testing.assert_allclose(y, expected, atol=2e-6)


def test_many_channels_by_both_ways():
    torch.manual_seed(0)
    layer = UntunedNormalization(channel_normalization.FEW_CHANNELS)
    x = torch.rand(2, channel_normalization.FEW_CHANNELS, 8, 8)
    found = []
    for fast in (True, False):
        layer.fast = fast
        output = layer(x)
        layer.zero_grad()
        output.square().sum().backward()
        found.append([output.detach(), *(p.grad.clone() for p in layer.parameters())])
    assert not torch.equal(found[0][0], found[1][0])  # really two ways
    for fast, plain in zip(*found, strict=True):
        assert_close_to_the_largest(fast, plain)


@pytest.mark.parametrize(
    ("kind", "pools"), [(UntunedNormalization, "kernels"), (TunedNormalization, "pool_weights")]
)
def test_mixed_precision_leaves_the_pools_as_they_are(kind, pools):
    torch.manual_seed(0)
    layer = kind(16)
    expected = getattr(layer, pools)()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = getattr(layer, pools)()
        assert layer(torch.rand(1, 16, 4, 4)).isfinite().all()
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    seen = torch.randn_like(expected)
    gradients = [
        torch.autograd.grad((k * seen).sum(), layer.parameters(), allow_unused=True)
        for k in (found, expected)
    ]
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_start_of_the_untuned_pools():
    torch.manual_seed(0)
    layer = UntunedNormalization(128)
    ranges = {"amplitude": (0, 1), "rho": (1, 2), "sigma": (1, 2), "theta": (0, 2 * np.pi)}
    for name, (low, high) in ranges.items():
        values = getattr(layer, name)
        assert low <= values.min() and values.max() <= high, name
        assert values.mean().item() == pytest.approx((low + high) / 2, rel=0.02), name
    for values in (layer.v, layer.w):
        assert values.mean().item() == pytest.approx(1, abs=0.05)
        assert values.std().item() == pytest.approx(1, abs=0.05)
    assert 1 <= layer.bias.item() <= 2
