from copy import deepcopy

import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from v1lib import pooled_convolution
from v1lib.pooled_convolution import PooledConvolution

pytest.importorskip("numba")

SIDE = 9  # each size is compiled anew: the small tests share one
# channels, filters, kernel, pool_kernel, pool_stride, height, width, n
SHAPES = [
    (1, 16, 3, 3, 2, 33, 33, 50),
    (16, 32, 3, 3, 2, 15, 15, 50),
    (1, 16, 7, 3, 2, 33, 33, 3),
    (16, 32, 7, 3, 2, 13, 13, 2),
    (16, 8, 5, 2, 2, 10, 13, 1),
    (8, 48, 3, 3, 2, 12, 12, 2),
    (3, 4, 3, 2, 3, 11, 15, 2),
    (7, 64, 3, 3, 4, 16, 14, 2),
]


def layer_of(channels, filters, kernel, pool_kernel, pool_stride):
    generator = torch.Generator().manual_seed(1)
    layer = PooledConvolution(
        channels, filters, kernel=kernel, pool_kernel=pool_kernel, pool_stride=pool_stride
    )
    for parameter in layer.parameters():
        parameter.data.normal_(generator=generator)
    return layer


def rectify_then_pool(layer, stimuli):
    """The layer in the order of the original, on PyTorch's operations."""
    convolved = functional.relu(functional.conv2d(stimuli, layer.weight, layer.bias))
    return functional.max_pool2d(convolved, layer.pool_kernel, layer.pool_stride)


def outputs_and_gradients(layer, function, stimuli, seed=0):
    stimuli = stimuli.clone().requires_grad_()
    output = function(stimuli)
    upstream = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed))
    gradients = torch.autograd.grad(output, [stimuli, *layer.parameters()], upstream)
    return [output.detach(), *gradients]


def uses_kernels(layer, stimuli):
    return "FusedLayer" in type(layer(stimuli).grad_fn).__name__


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_those_of_pytorch(shape):
    *sizes, height, width, n = shape
    layer = layer_of(*sizes)
    stimuli = torch.randn(n, sizes[0], height, width, generator=torch.Generator().manual_seed(2))
    assert uses_kernels(layer, stimuli)
    ours = outputs_and_gradients(layer, layer, stimuli)
    theirs = outputs_and_gradients(layer, lambda x: rectify_then_pool(layer, x), stimuli)
    for name, a, b in zip(("output", "stimuli", "weight", "bias"), ours, theirs, strict=True):
        torch.testing.assert_close(
            a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()), msg=lambda m, n=name: f"{n}: {m}"
        )
    assert ours[0].shape[2:] == layer.output_size(height, width)


@pytest.mark.parametrize("shape", [(1, 16, 3, 3, 2, 9, 9, 4), (16, 32, 3, 3, 2, 9, 9, 4)], ids=str)
def test_weight_gradients_without_an_input_gradient(shape):
    *sizes, height, width, n = shape
    layer = layer_of(*sizes)
    stimuli = torch.randn(n, sizes[0], height, width, generator=torch.Generator().manual_seed(2))
    expected = outputs_and_gradients(layer, layer, stimuli)
    upstream = torch.randn(expected[0].shape, generator=torch.Generator().manual_seed(0))
    layer(stimuli).backward(upstream)
    torch.testing.assert_close(layer.weight.grad, expected[2])
    torch.testing.assert_close(layer.bias.grad, expected[3])


@pytest.mark.parametrize("channels", [1, 16])
def test_first_of_equal_maxima_carries_the_gradient(channels):
    layer = layer_of(channels, 16, 3, 3, 2)
    layer.weight.data.abs_()
    stimuli = torch.full((2, channels, SIDE, SIDE), 116.0)
    stimuli[1, :, 5:] = torch.arange(float(SIDE))
    gradient = outputs_and_gradients(layer, layer, stimuli)[1]
    expected = outputs_and_gradients(layer, lambda x: rectify_then_pool(layer, x), stimuli)[1]
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-3)
    # 3 x 3 windows, each with the patch of its first pixel: of 9 rows and columns the last two
    # belong to no such patch.
    assert gradient[0, :, 7:].abs().max() == gradient[0, :, :, 7:].abs().max() == 0
    assert gradient[0, :, 6, 6].abs().max() > 0


def test_units_at_exactly_zero_carry_no_gradient():
    layer = layer_of(1, 16, 3, 3, 2)
    layer.weight.data.zero_()
    layer.bias.data.zero_()
    output, *gradients = outputs_and_gradients(layer, layer, torch.rand(2, 1, SIDE, SIDE))
    assert all(float(value.abs().max()) == 0 for value in (output, *gradients))


@pytest.mark.parametrize("where", ["weight", "bias", "stimuli"])
def test_nan_is_not_swallowed(where):
    layer, stimuli = layer_of(1, 16, 3, 3, 2), torch.rand(2, 1, SIDE, SIDE)
    stimuli.requires_grad_()
    broken = stimuli if where == "stimuli" else getattr(layer, where)
    broken.data.view(-1)[-1] = torch.nan
    output = layer(stimuli)
    assert torch.equal(output.isnan(), rectify_then_pool(layer, stimuli).isnan())
    assert output.isnan().any()


@pytest.mark.parametrize(
    "arrange",
    [
        lambda x: x.contiguous(),
        lambda x: x.contiguous(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        lambda x: torch.cat([x, x])[::2][[0, 1, 0, 1]][:2],
    ],
)
def test_memory_layout_of_input_and_gradient_does_not_matter(arrange):
    layer = layer_of(16, 32, 3, 3, 2)
    stimuli = torch.randn(2, 16, SIDE, SIDE)
    stimuli[1] = stimuli[0]
    expected = layer(stimuli)
    again = layer(arrange(stimuli))
    assert torch.equal(again, expected)
    upstream = torch.randn(expected.shape)
    a, b = (
        torch.autograd.grad(output, layer.weight, gradient)[0]
        for output, gradient in ((expected, upstream), (again, arrange(upstream)))
    )
    upstream_changed = not torch.equal(arrange(upstream), upstream)
    assert torch.equal(a, b) != upstream_changed


def test_gradient_accumulates_and_reaches_a_weight_of_any_layout():
    layer, stimuli = layer_of(16, 32, 3, 3, 2), torch.randn(3, 16, SIDE, SIDE)
    layer.weight.data = layer.weight.data.contiguous()
    for _ in range(2):
        layer(stimuli).sum().backward()
    once = torch.autograd.grad(rectify_then_pool(layer, stimuli).sum(), layer.weight)[0]
    torch.testing.assert_close(layer.weight.grad, 2 * once, rtol=1e-4, atol=1e-3)


def test_plain_operations_are_used_where_kernels_cannot_be():
    layer, stimuli = layer_of(1, 16, 3, 3, 2), torch.rand(2, 1, SIDE, SIDE)
    expected = layer(stimuli)
    assert not uses_kernels(layer_of(1, 6, 3, 3, 2), stimuli)
    assert not uses_kernels(layer_of(1, 16, 3, 3, 2).double(), stimuli.double())
    layer.fused = False
    assert not uses_kernels(layer, stimuli)
    torch.testing.assert_close(layer(stimuli), expected)


def test_a_missing_numba_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(pooled_convolution, "convolution_kernels", None)
    pooled_convolution._say_that_numba_is_missing.cache_clear()
    layer, stimuli = layer_of(1, 16, 3, 3, 2), torch.rand(2, 1, SIDE, SIDE)
    for _ in range(2):
        torch.testing.assert_close(layer(stimuli), rectify_then_pool(layer, stimuli))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_stacked_parameters_under_vmap_and_grad():
    layers = [layer_of(1, 16, 3, 3, 2) for _ in range(3)]
    for i, layer in enumerate(layers):
        layer.weight.data.mul_(1 + i)
    stimuli = torch.rand(3, 5, 1, SIDE, SIDE)
    network = torch.nn.Sequential(layers[0], torch.nn.Flatten(), torch.nn.Dropout(0.35))
    stacked = {
        f"0.{name}": torch.stack([dict(layer.named_parameters())[name].data for layer in layers])
        for name in ("weight", "bias")
    }

    def loss(parameters, images, training):
        network.train(training)
        return functional_call(network, parameters, (images,)).square().mean()

    kept = vmap(grad(loss), in_dims=(0, 0, None), randomness="different")(stacked, stimuli, False)
    for i, layer in enumerate(layers):
        own = torch.autograd.grad(layer(stimuli[i]).square().mean(), layer.weight)[0]
        torch.testing.assert_close(kept["0.weight"][i], own, rtol=1e-4, atol=1e-4)
    noisy = vmap(grad(loss), in_dims=(0, 0, None), randomness="different")(stacked, stimuli, True)
    assert not torch.allclose(noisy["0.weight"], kept["0.weight"])


def test_kernels_are_repeatable():
    layer, stimuli = layer_of(16, 32, 3, 3, 2), torch.randn(20, 16, SIDE, SIDE)
    first, second = (outputs_and_gradients(layer, layer, stimuli) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("channels", "side", "message"),
    [(2, 9, "input must be"), (1, 4, "too small")],
)
def test_wrong_inputs_are_refused(channels, side, message):
    with pytest.raises(ValueError, match=message):
        layer_of(1, 16, 3, 3, 2)(torch.rand(2, channels, side, side))
    with pytest.raises(ValueError, match="at least 1"):
        PooledConvolution(1, 16, kernel=0, pool_kernel=3, pool_stride=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_weights_are_stored_channels_last_and_stay_so(channels):
    layer = layer_of(channels, 16, 3, 3, 2)
    layer.load_state_dict(layer_of(channels, 16, 3, 3, 2).state_dict())
    for copy in (layer, deepcopy(layer)):
        assert copy.weight.stride() == (9 * channels, 1, 3 * channels, channels)
