import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from v1lib.hidden_layer import RectifiedDropout, SparseGradientLinear

pytest.importorskip("numba")

KEEP = 0.65


def masked_gradient(n, units, density):
    generator = torch.Generator().manual_seed(3)
    gradient = torch.randn(n, units, generator=generator)
    return gradient * (torch.rand(n, units, generator=generator) < density)


@pytest.mark.parametrize(
    ("n", "n_inputs", "n_units", "density"),
    [
        (50, 1152, 300, 0.33),
        (50, 288, 300, 1.0),
        (1, 32, 7, 0.5),
        (3, 3600, 5, 0.0),
        (9, 20, 150, 0.3),
    ],
)
def test_gradients_are_those_of_a_dense_layer(n, n_inputs, n_units, density):
    layer, plain = SparseGradientLinear(n_inputs, n_units), nn.Linear(n_inputs, n_units)
    plain.load_state_dict(layer.state_dict())
    upstream = masked_gradient(n, n_units, density)
    images = torch.rand(n, n_inputs)
    results = []
    for network in (layer, plain):
        seen = images.clone().requires_grad_()
        output = network(seen)
        output.backward(upstream)
        results.append((output, seen.grad, network.weight.grad, network.bias.grad))
    assert "SparseGradient" in type(layer(images).grad_fn).__name__
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_gradient_of_any_memory_layout():
    layer, images = SparseGradientLinear(32, 12), torch.rand(5, 32)
    upstream = masked_gradient(12, 5, 0.5).T
    expected = upstream.T @ images
    layer(images).backward(upstream)
    torch.testing.assert_close(layer.weight.grad, expected)


def test_nan_in_the_gradient_is_not_swallowed():
    layer = SparseGradientLinear(32, 12)
    upstream = torch.zeros(5, 12)
    upstream[2, 3] = torch.nan
    images = torch.rand(5, 32).requires_grad_()
    layer(images).backward(upstream)
    assert layer.weight.grad.isnan().all(1).nonzero().tolist() == [[3]]
    assert images.grad.isnan().all(1).nonzero().tolist() == [[2]]
    assert layer.bias.grad.isnan().nonzero().tolist() == [[3]]


def test_dropout_keeps_the_stated_share_of_every_unit():
    layer = RectifiedDropout(KEEP)
    torch.manual_seed(0)
    n_draws = 4000
    kept = torch.stack([layer(torch.ones(6, 11)) > 0 for _ in range(n_draws)]).float()
    error = (KEEP * (1 - KEEP) / n_draws) ** 0.5
    assert (kept.mean(0) - KEEP).abs().max() < 5 * error
    units = kept.flatten(1) - KEEP
    correlation = units.T @ units / n_draws / (KEEP * (1 - KEEP))
    correlation.fill_diagonal_(0)
    assert correlation.abs().max() < 5 / n_draws**0.5
    # Nor does a unit depend on itself one draw earlier.
    lagged = (units[1:] * units[:-1]).mean(0) / (KEEP * (1 - KEEP))
    assert lagged.abs().max() < 5 / n_draws**0.5


def test_dropout_is_inverted_and_passes_gradients_where_it_passes_values():
    layer, values = RectifiedDropout(KEEP), torch.randn(50, 301).requires_grad_()
    output = layer(values)
    output.backward(torch.full_like(output, 2.0))
    kept = output > 0
    assert not kept[values <= 0].any()
    assert 0 < kept[values > 0].float().mean() < 1
    torch.testing.assert_close(output[kept], values[kept] / KEEP)
    torch.testing.assert_close(values.grad, kept * 2.0 / KEEP)


def test_masks_follow_the_seed_and_change_from_call_to_call():
    layer, values = RectifiedDropout(KEEP), torch.ones(50, 300)
    torch.manual_seed(5)
    first, second = layer(values), layer(values)
    torch.manual_seed(5)
    assert torch.equal(layer(values), first)
    assert not torch.equal(first, second)


def test_nothing_is_dropped_at_evaluation_or_when_all_is_kept():
    values = torch.randn(4, 5)
    assert torch.equal(RectifiedDropout(KEEP).eval()(values), values.relu())
    assert torch.equal(RectifiedDropout(1.0)(values), values.relu())


def test_nan_passes_the_rectifier():
    output = RectifiedDropout(KEEP)(torch.full((100,), torch.nan))
    assert 0 < int(output.isnan().sum()) < 100


@pytest.mark.parametrize("keep", [0.0, -0.1, 1.1, float("nan")])
def test_impossible_probabilities_are_refused(keep):
    with pytest.raises(ValueError, match="probability"):
        RectifiedDropout(keep)


def test_plain_operations_are_used_where_kernels_cannot_be():
    network = nn.Sequential(SparseGradientLinear(32, 12), RectifiedDropout(KEEP))
    for layer in network:
        layer.fused = False
    names = []
    for part in (network, network.double()):
        output = part(torch.rand(5, 32, dtype=part[0].weight.dtype))
        names += [
            type(output.grad_fn).__name__,
            type(part[0](output.new_ones(5, 32)).grad_fn).__name__,
        ]
    assert not any("Rectify" in name or "Sparse" in name for name in names)


def test_stacked_networks_under_vmap_and_grad():
    network = nn.Sequential(SparseGradientLinear(32, 12), RectifiedDropout(KEEP))
    stacked = {name: torch.stack([p.data, 2 * p.data]) for name, p in network.named_parameters()}

    def loss(parameters, images):
        return functional_call(network, parameters, (images,)).square().mean()

    images = torch.rand(5, 32)
    noisy = vmap(grad(loss), in_dims=(0, None), randomness="different")(stacked, images)
    network.eval()
    kept = vmap(grad(loss), in_dims=(0, None))(stacked, images)
    own = torch.autograd.grad(network(images).square().mean(), network[0].weight)[0]
    torch.testing.assert_close(kept["0.weight"][0], own)
    assert not torch.allclose(noisy["0.weight"], kept["0.weight"])
