"""Layers that more than one model uses."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from v1lib import layers, pooled_convolution
from v1lib.layers import BatchNorm

SCRIPTS = Path(__file__).parents[1] / "scripts"
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


def theirs_like(ours, *, has_gain):
    norm = nn.BatchNorm2d(N_FEATURES, eps=EPSILON, momentum=MOMENTUM).double()
    norm.weight.requires_grad_(has_gain)
    norm.bias.data.copy_(ours.bias)
    if not ours.rectify:
        return norm
    norm.register_forward_hook(lambda module, given, shown: shown.relu())
    return norm


@pytest.fixture
def kernels_run(monkeypatch):
    """How often a compiled kernel was shared out."""
    pytest.importorskip("numba")
    seen = []
    share_out = layers.share_out
    monkeypatch.setattr(layers, "share_out", lambda *given: seen.append(1) or share_out(*given))
    return seen


@pytest.mark.usefixtures("one_and_two_threads")
@pytest.mark.parametrize("rectify", [True, False], ids=["rectified", "linear"])
@pytest.mark.parametrize("has_gain", [True, False], ids=["gain", "no gain"])
@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize("mean", [0.0, 300.0])
def test_batch_normalization_is_that_of_pytorch(kernels_run, has_gain, rectify, layout, mean):
    """Whatever computes it; also where the mean is far larger than the deviation."""
    maps = maps_of(mean).contiguous(memory_format=getattr(torch, layout))
    options = {"epsilon": EPSILON, "momentum": MOMENTUM, "has_gain": has_gain}
    ours = BatchNorm(N_FEATURES, **options, rectify=rectify)
    ours.bias.data.copy_(torch.linspace(-1, 1, N_FEATURES))
    expected = trained(theirs_like(ours, has_gain=has_gain), maps.double())
    for found, wanted in zip(trained(ours, maps), expected, strict=True):
        wanted, scale = wanted.double(), float(wanted.abs().max()) + 1e-6
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-4 * scale)
    assert len(kernels_run) == (4 if layout == "contiguous_format" else 0)


@pytest.mark.parametrize("rectify", [True, False])
def test_without_numba_it_is_pytorchs(monkeypatch, kernels_run, rectify):
    ours = BatchNorm(N_FEATURES, epsilon=EPSILON, momentum=MOMENTUM, rectify=rectify)
    fast = trained(ours, maps_of(0.0))
    monkeypatch.setattr(pooled_convolution, "convolution_kernels", None)
    same = BatchNorm(N_FEATURES, epsilon=EPSILON, momentum=MOMENTUM, rectify=rectify)
    for found, wanted in zip(fast, trained(same, maps_of(0.0)), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert len(kernels_run) == 4


def test_networks_train_where_numba_is_not_installed():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import torch; from torch import nn\n"
        "from v1lib.divisive_normalization import DivisiveNormalization\n"
        "from v1lib.layers import BatchNorm\n"
        "from v1lib.minimal_convolution import MinimalConvolution\n"
        "layer = MinimalConvolution(32, 32, 3, padding=1, bias=False)\n"
        "norm = DivisiveNormalization(32, specific=True)\n"
        "network = nn.Sequential(layer, BatchNorm(32, rectify=True), norm).train()\n"
        "network(torch.randn(64, 32, 28, 28)).square().sum().backward()\n"
        "print(all(p.grad.isfinite().all() for p in (layer.weight, norm.exponent, norm.weights)))"
    )
    given = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    assert given.stdout.split() == ["True"]
    assert given.stderr.count("numba cannot be imported") == 1


def test_what_is_undefined_stays_undefined():
    maps = maps_of(0.0)
    maps[0, 1, 2, 3] = float("nan")
    shown = BatchNorm(N_FEATURES, rectify=True).train()(maps)
    assert shown[:, 1].isnan().all() and shown[:, [0, 2, 3, 4]].isfinite().all()


def test_only_the_gradients_that_are_needed_are_taken(kernels_run):
    norm = BatchNorm(N_FEATURES).train()
    norm(maps_of(0.0)).square().sum().backward()
    assert norm.bias.grad is not None and len(kernels_run) == 3


@pytest.mark.parametrize("shape", [(4, 1, 3, 3), (4, 7, 3, 3)])
def test_other_features_are_refused(shape):
    norm = BatchNorm(N_FEATURES).train()
    with pytest.raises(RuntimeError, match=f"{shape[1]} elements not {N_FEATURES}"):
        norm(torch.ones(shape))
    assert (norm.running_var == 1).all()


def test_a_single_value_has_no_variance():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        BatchNorm(N_FEATURES).train()(torch.zeros(1, N_FEATURES, 1, 1))
