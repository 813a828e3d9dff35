"""The 3 x 3 convolution layer on compiled kernels against PyTorch's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from agreement import value_and_gradients
from v1lib import minimal_convolution, pooled_convolution
from v1lib.minimal_convolution import MinimalConvolution
from v1lib.models.burg2021 import ConvolutionLayer

numba = pytest.importorskip("numba")
kernels = pytest.importorskip("v1lib.minimal_filtering_kernels")

SCRIPTS = Path(__file__).parents[1] / "scripts"
# images, channels of the input and of the output, height, width
SHAPES = [
    (3, 32, 32, 28, 28),  # of the network of three layers
    (5, 32, 32, 13, 23),  # no whole tiles
    (1, 16, 32, 29, 30),  # one image
    (4, 48, 48, 17, 26),  # a vector of channels without a partner
    (1, 16, 48, 121, 9),  # the last strip does not fit
    (2, 16, 48, 121, 6),
    (1, 128, 16, 9, 45),  # strips of one row of tiles
    (3, 64, 32, 3, 300),
    (1, 16, 48, 61, 3),
    (3, 32, 16, 1, 16),
    (2, 16, 16, 4, 5),
]


@pytest.fixture(autouse=True)
def _little_work_is_enough(monkeypatch):
    monkeypatch.setattr(minimal_convolution, "LEAST_WORK", 0)


def layer_of(n_in, n_out, *more, **settings):
    settings = {"padding": 1, "bias": False} | settings
    return MinimalConvolution(n_in, n_out, *(more or (3,)), **settings)


def maps_and_weight(shape):
    n, n_in, n_out, height, width = shape
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(n, n_in, height, width, generator=generator)
    return maps, torch.randn(n_out, n_in, 3, 3, generator=generator)


by_kernels = minimal_convolution._Filtering.apply


def by_pytorch(maps, weight):
    return functional.conv2d(maps, weight, padding=1)


def assert_close(ours, exact):
    for a, b in zip(ours, exact, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            assert float((a - b).abs().max()) < 1e-5 * float(b.abs().max())


def uses_kernels(layer, maps):
    return "Filtering" in type(layer(maps).grad_fn).__name__


def test_some_strips_do_not_fit():
    """Otherwise the work on less than a strip would not be seen."""
    n_short = 0
    for _, n_in, n_out, height, width in SHAPES:
        rows, _ = kernels.strip_of(n_in, n_out, height, width)
        n_short += -(-height // 4) % rows > 0
    assert n_short >= 2


@pytest.mark.usefixtures("one_and_two_threads")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_those_of_pytorch(shape):
    maps, weight = maps_and_weight(shape)
    exact = value_and_gradients(by_pytorch, [maps.double(), weight.double()])
    assert_close(value_and_gradients(by_kernels, [maps, weight]), exact)


@pytest.mark.parametrize("needed", [(True, False), (False, True)])
def test_gradients_that_nobody_needs_are_left_out(needed):
    given = maps_and_weight(SHAPES[1])
    exact = value_and_gradients(by_pytorch, [tensor.double() for tensor in given], needed)
    assert_close(value_and_gradients(by_kernels, given, needed), exact)


def test_memory_layout_does_not_matter():
    maps, weight = maps_and_weight(SHAPES[1])
    upstream = torch.randn(5, 32, 13, 23)
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        given = [t.contiguous(memory_format=layout).requires_grad_() for t in (maps, weight)]
        value = by_kernels(*given)
        assert value.is_contiguous()
        gradients = torch.autograd.grad(value, given, upstream.contiguous(memory_format=layout))
        found.append([value, *gradients])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.usefixtures("one_and_two_threads")
def test_a_number_of_threads_always_gives_the_same_bits():
    given = maps_and_weight(SHAPES[1])
    first, second = (value_and_gradients(by_kernels, given) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    "layer",
    [
        layer_of(8, 8),
        layer_of(32, 24),
        layer_of(16, 16, 5, padding=2),
        layer_of(16, 16, padding=0),
        layer_of(16, 16, padding="same"),
        layer_of(16, 16, padding_mode="circular"),
        layer_of(16, 16, stride=2),
        layer_of(16, 16, dilation=2),
        layer_of(32, 32, groups=2),
        layer_of(16, 16, bias=True),
        layer_of(16, 16).double(),
        layer_of(16, 16).eval(),
    ],
    ids=str,
)
def test_what_the_kernels_cannot_do_is_pytorchs(layer):
    maps = torch.randn(2, layer.in_channels, 28, 28, dtype=layer.weight.dtype)
    assert not uses_kernels(layer, maps)
    plain = torch.nn.Conv2d.forward(layer, maps)
    assert torch.equal(layer(maps), plain)


def test_little_work_is_pytorchs(monkeypatch):
    monkeypatch.undo()
    layer = layer_of(32, 32)
    assert not uses_kernels(layer, torch.randn(4, 32, 28, 28))
    assert uses_kernels(layer, torch.randn(64, 32, 28, 28))


def test_tiles_that_would_be_mostly_empty_are_pytorchs():
    layer = layer_of(32, 32)
    assert not uses_kernels(layer, torch.randn(2, 32, 5, 5))
    assert uses_kernels(layer, torch.randn(2, 32, 12, 12))


def test_a_single_map_and_wrong_channels_are_pytorchs():
    layer = layer_of(16, 16)
    assert layer(torch.randn(16, 28, 28)).shape == (16, 28, 28)
    with pytest.raises(RuntimeError, match="channels"):
        layer(torch.randn(2, 32, 28, 28))


def test_without_numba_it_is_pytorchs(monkeypatch):
    monkeypatch.setattr(pooled_convolution, "convolution_kernels", None)
    monkeypatch.setattr(minimal_convolution, "minimal_filtering_kernels", None)
    assert not uses_kernels(layer_of(32, 32), torch.randn(2, 32, 28, 28))


@pytest.mark.parametrize("place", [(0, 0), (13, 27)])
def test_what_is_undefined_stays_undefined(place):
    maps, weight = maps_and_weight(SHAPES[0])
    maps[1, 5][place] = float("nan")
    value = by_kernels(maps, weight)
    assert value[1][:, by_pytorch(maps, weight)[1, 0].isnan()].isnan().all()
    assert value[[0, 2]].isfinite().all()


def test_machine_code_is_found_again_by_the_next_process(tmp_path):
    code = (
        "import torch; from v1lib import map_kernels, minimal_filtering_kernels as kernels\n"
        "from v1lib.layers import BatchNorm\n"
        "from v1lib.minimal_convolution import MinimalConvolution\n"
        "layer = MinimalConvolution(32, 32, 3, padding=1, bias=False)\n"
        "BatchNorm(32).train()(layer(torch.zeros(64, 32, 28, 28)))\n"
        "for kernel in (kernels.convolve, map_kernels.normalise):\n"
        "    print(sum(kernel.stats.cache_hits.values()))"
    )
    place = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    hits = [subprocess.check_output(command, cwd=SCRIPTS, env=place, text=True) for _ in range(2)]
    assert [found.split() for found in hits] == [["0", "0"], ["1", "1"]]


def test_layers_can_be_stacked_and_transformed():
    layer, maps = layer_of(16, 16), torch.randn(2, 16, 28, 28)

    def loss(weights, images):
        return functional_call(layer, weights, (images,)).square().sum()

    weights = torch.stack([layer.weight.detach(), 2 * layer.weight.detach()])
    found = vmap(grad(loss), in_dims=(0, None))({"weight": weights}, maps)["weight"]
    loss({"weight": layer.weight}, maps).backward()
    assert_close(found, [layer.weight.grad, 2 * layer.weight.grad])


def test_the_layers_of_burg_2021_use_it():
    layer = ConvolutionLayer(32, 32, 3, padding=1, activation=torch.nn.ELU())
    maps = torch.randn(2, 32, 28, 28)
    assert uses_kernels(layer.conv, maps)
    assert list(dict(layer.conv.named_parameters())) == ["weight"]
    assert not uses_kernels(layer.eval().conv, maps)
