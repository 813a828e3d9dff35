"""Filtering every channel on its own: compiled kernels against PyTorch."""

import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from v1lib import pooled_convolution, threads
from v1lib.depthwise import DepthwiseConvolution

pytest.importorskip("numba")

# channels, kernel, height, width, images
SHAPES = [
    (64, 13, 22, 50, 3),  # of the paper
    (16, 13, 5, 4, 2),  # maps smaller than the filters
    (4, 3, 7, 9, 3),
    (12, 5, 1, 30, 2),
    (8, 15, 20, 27, 1),  # more than one block of weights and of pixels
    (24, 1, 6, 1, 5),
]


def layer_and_maps(shape, *, layout=torch.contiguous_format):
    channels, kernel, height, width, n = shape
    generator = torch.Generator().manual_seed(1)
    layer = DepthwiseConvolution(channels, kernel)
    layer.weight.data.normal_(generator=generator)
    maps = torch.randn(n, channels, height, width, generator=generator)
    return layer, maps.contiguous(memory_format=layout)


def by_pytorch(layer, maps):
    kernel = layer.weight.shape[-1]
    padding = ((kernel - 1) * layer.dilation[0] + 1) // 2
    return functional.conv2d(
        maps, layer.weight, padding=padding, dilation=layer.dilation, groups=maps.shape[1]
    )


def outputs_and_gradients(function, layer, maps):
    maps = maps.clone().requires_grad_()
    output = function(maps)
    upstream = torch.randn(output.shape, generator=torch.Generator().manual_seed(2))
    gradients = torch.autograd.grad(output, [maps, layer.weight], upstream.to(output.dtype))
    return [output.detach(), *gradients]


def assert_agree(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6 * float(b.abs().max()) + 1e-7)


def uses_kernels(layer, maps):
    return "Filtering" in type(layer(maps).grad_fn).__name__


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_those_of_pytorch(shape, layout, n_threads):
    layer, maps = layer_and_maps(shape, layout=layout)
    assert uses_kernels(layer, maps)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        ours = outputs_and_gradients(layer, layer, maps)
    finally:
        torch.set_num_threads(before)
    assert_agree(ours, outputs_and_gradients(lambda x: by_pytorch(layer, x), layer, maps))


def test_any_number_of_threads_gives_the_same_bits():
    layer, maps = layer_and_maps((8, 5, 9, 14, 7))
    before, found = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 5):
            torch.set_num_threads(n_threads)
            found.append(outputs_and_gradients(layer, layer, maps))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("needed", [(0, 1, 2), (0,), (1,), (2,)])
@pytest.mark.parametrize("kernel", [5, 4], ids=["kernels", "pytorch"])
def test_channels_may_be_mixed_first(kernel, needed):
    layer, _ = layer_and_maps((8, kernel, 9, 14, 2))
    generator = torch.Generator().manual_seed(3)
    maps = torch.randn(2, 6, 9, 14, generator=generator)
    mixing = torch.randn(8, 6, 1, 1, generator=generator)
    given = [maps, mixing, layer.weight]
    for number, tensor in enumerate(given):
        tensor.requires_grad_(number in needed)
    wanted = [given[number] for number in needed]
    output = layer(maps, mixing)
    assert ("Filtering" in type(output.grad_fn).__name__) == (kernel == 5)
    plain = by_pytorch(layer, functional.conv2d(maps, mixing))
    upstream = torch.randn(output.shape, generator=generator)
    assert_agree(
        [output.detach(), *torch.autograd.grad(output, wanted, upstream)],
        [plain.detach(), *torch.autograd.grad(plain, wanted, upstream)],
    )


def test_gradients_that_nobody_needs_are_left_out():
    layer, maps = layer_and_maps((8, 5, 9, 14, 2))
    expected = outputs_and_gradients(layer, layer, maps)
    upstream = torch.randn(maps.shape, generator=torch.Generator().manual_seed(2))
    layer(maps).backward(upstream)
    assert torch.equal(layer.weight.grad, expected[2])
    frozen = layer.requires_grad_(requires_grad=False)
    seen = maps.clone().requires_grad_()
    frozen(seen).backward(upstream)
    assert torch.equal(seen.grad, expected[1])
    assert not frozen(maps).requires_grad
    with torch.no_grad():
        assert torch.equal(frozen(maps), expected[0])


@pytest.mark.parametrize(
    "layer",
    [
        DepthwiseConvolution(8, 3, dilation=2),
        DepthwiseConvolution(8, 4),
        DepthwiseConvolution(6, 3),
        DepthwiseConvolution(8, 3).double(),
    ],
    ids=["dilated", "even", "odd channels", "float64"],
)
def test_what_the_kernels_cannot_do_is_pytorchs(layer):
    maps = torch.randn(2, layer.in_channels, 7, 9, dtype=layer.weight.dtype)
    assert not uses_kernels(layer, maps)
    torch.testing.assert_close(layer(maps), by_pytorch(layer, maps))
    assert layer(maps).shape[2:] == ((7, 9) if layer.weight.shape[-1] == 3 else (8, 10))


def test_without_numba_it_is_pytorchs(monkeypatch):
    layer, maps = layer_and_maps((8, 5, 9, 14, 2))
    monkeypatch.setattr(pooled_convolution, "convolution_kernels", None)
    assert not uses_kernels(layer, maps)


def test_layers_can_be_stacked_and_transformed():
    layer, maps = layer_and_maps((8, 5, 9, 14, 2))

    def loss(weights, images):
        return functional_call(layer, weights, (images,)).square().sum()

    weights = {"weight": torch.stack([layer.weight.detach(), 2 * layer.weight.detach()])}
    found = vmap(grad(loss), in_dims=(0, None))(weights, maps)["weight"]
    loss({"weight": layer.weight}, maps).backward()
    torch.testing.assert_close(found[0], layer.weight.grad, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(found[1], 2 * layer.weight.grad, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("with_openmp", [True, False])
def test_parts_cover_all_images_once_and_their_errors_arrive(monkeypatch, with_openmp):
    if not with_openmp:
        monkeypatch.setattr(threads, "_openmp", lambda: None)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for n_images in (1, 2, 3, 8):
            seen = []
            threads.in_threads(n_images, lambda *part, seen=seen: seen.append(part))
            numbers, first, last = zip(*sorted(seen), strict=True)
            assert list(numbers) == list(range(min(3, n_images)))
            assert first == (0, *last[:-1])
            assert last[-1] == n_images

        def fail(number, first, last):
            raise ValueError(f"part {number}")

        with pytest.raises(ValueError, match="part"):
            threads.in_threads(8, fail)
    finally:
        torch.set_num_threads(before)
