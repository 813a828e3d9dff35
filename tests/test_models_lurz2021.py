"""Models of Lurz et al. 2021 against the recorded originals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from published_cores import to_published
from v1lib.core_weights import load_core
from v1lib.losses import poisson_sum, scale_of_batch
from v1lib.models import build_model
from v1lib.optimisers import CorrectedAdam
from v1lib.recording import RecordingInfo, ScanInfo
from v1lib.stacking import Stack
from v1lib.vgg import layers_up_to

TIGHT = {"rtol": 1e-4, "atol": 1e-5}
CORE = {"filters": 64, "layers": 4, "input_kernel": 15, "hidden_kernel": 13, "momentum": 0.9}
SMALL = CORE | {"filters": 8, "layers": 2, "input_kernel": 5, "hidden_kernel": 3}
FREE = {"kind": "gaussian", "covariance": "full", "init_sigma": 0.4, "init_range": 0.55}
CORTEX = {k: v for k, v in FREE.items() if k != "init_range"} | {"retinotopy": {"init_scale": 0.2}}
NONE = {"smoothness": 0.0, "readout": 0.0}
PAPER = {"smoothness": 1.0, "readout": 2.439}
OURS = {
    "core__features__layer": "core.layers.",
    "ds_conv__in_depth_conv": "conv.in_depth",
    "ds_conv__spatial_conv": "conv.spatial",
    "ds_conv__out_depth_conv": "conv.out_depth",
    "norm__weight": "norm.gain",
    "readout__k___mu": "readouts.k.positions.mean",
    "readout__k___features": "readouts.k.features.weight",
    "readout__k__spatial": "readouts.k.mask",
    "readout__k__source_grid": "readouts.k.positions.coordinates",
    "readout__k__mu_transform": "readouts.k.positions.network",
    "readout__k": "readouts.k",
}


def info_of(*sizes, shape=(1, 36, 64), matched=False, seed=0):
    """Made-up scans a, b, ... with so many neurons each."""
    rng = np.random.default_rng(seed)
    scans = tuple(
        ScanInfo(
            name=name,
            mean_response=rng.uniform(0.1, 2, size).astype("f4"),
            neuron_position=rng.uniform(-300, 300, (size, 3)),
            match_id=rng.permutation(size) * 7 if matched else None,
        )
        for name, size in zip("abcdef", sizes, strict=False)
    )
    responses = np.concatenate([scan.mean_response for scan in scans])
    return RecordingInfo(shape, sum(sizes), responses, scans=scans)


def model_of(info, readout, core=SMALL, penalties=NONE, **options):
    params = {"core": core, "readout": readout, "penalties": penalties} | options
    return build_model("lurz2021.convolutional", info, params)


def n_parameters(module):
    return sum(p.numel() for p in module.parameters())


def trace_state(case, prefix):
    """Weights of a recorded training under our names and in our layouts."""
    state = {}
    for key in case:
        if not key.startswith(prefix):
            continue
        name, value = key.removeprefix(prefix), torch.as_tensor(case[key])
        if name.endswith("_mu"):
            value = value[0, :, 0]
        elif name.endswith("sigma"):
            value = value[0]
        elif name.endswith("_features") and value.dim() == 4:
            value = value[0, :, 0].T
        elif name.endswith("spatial"):
            value = value.flatten(1).T
        for old, new in OURS.items():
            name = name.replace(old, new)
        state[name.replace("__", ".")] = value
    return state


def traced_network(case, readout):
    images, n_neurons = case["images"], case["targets"].shape[2]
    scan = ScanInfo("k", np.ones(n_neurons, "f4"), np.random.default_rng(0).normal(size=(9, 3)))
    info = RecordingInfo(images.shape[2:], n_neurons, scan.mean_response, scans=(scan,))
    core = CORE | {"filters": 4, "layers": 3, "input_kernel": 9, "hidden_kernel": 7}
    core["momentum"] = float(case["bn_momentum"])
    network = model_of(info, readout, core).double()
    network.load_state_dict(trace_state(case, "init__"), strict=True)
    network.strengths.smoothness = torch.as_tensor(case["gamma_input"])
    network.strengths.readout = torch.as_tensor(case["gamma_readout"])
    return network


READOUTS = {
    "gaussian_predictor": CORTEX,
    "gaussian_free_mu": FREE,
    "factorised": {"kind": "factorised"},
}


@pytest.mark.parametrize("name", READOUTS)
def test_training_agrees_with_the_original(golden, name):
    case = golden(f"lurz2021/adam_trace_{name}.npz")
    network = traced_network(case, READOUTS[name]).train()
    parameters = list(network.parameters())
    optimiser = CorrectedAdam(parameters, None)
    images, targets = (torch.as_tensor(case[key]) for key in ("images", "targets"))
    scale = scale_of_batch(int(case["dataset_size"]), targets.shape[1])
    assert scale == pytest.approx(float(case["loss_scale"]), rel=1e-12)
    poisson, total = [], []
    for step in range(len(images)):
        noise = torch.as_tensor(case["noise"][step])[:, :, 0] if "noise" in case else None
        prediction = network(images[step], "k", noise)
        poisson.append(poisson_sum(prediction, targets[step]))
        total.append(scale * poisson[-1] + network.penalty("k"))
        for parameter in parameters:
            parameter.grad = None
        total[-1].backward()
        optimiser.step(float(case["learning_rate"]))
    exact = {"rtol": 1e-9, "atol": 1e-9}
    found = [float(value.detach()) for value in total]
    np.testing.assert_allclose(found, case["train_total_loss_before_step"], **exact)
    found = [float(value.detach()) for value in poisson]
    np.testing.assert_allclose(found, case["train_poisson_sum_before_step"], **exact)
    state, final = network.state_dict(), trace_state(case, "final__")
    assert state.keys() == final.keys()
    for key, expected in final.items():
        np.testing.assert_allclose(state[key], expected, **exact, err_msg=key)
    prediction = network.eval()(images[0]).detach()
    np.testing.assert_allclose(prediction, case["final_eval_prediction_batch0"], **exact)


@pytest.mark.parametrize(
    ("readout", "n_neurons", "expected"),
    [
        ({"kind": "fully_connected"}, 5, 5 * (70_400 + 1)),  # 5335 neurons would need 1.5 GB
        ({"kind": "factorised"}, 5335, 6_215_275),
        (FREE, 5335, 378_785),
        (CORTEX, 5335, 368_121),
    ],
)
def test_the_readouts_of_the_paper_have_its_numbers_of_parameters(readout, n_neurons, expected):
    # reference section 3.8
    network = model_of(info_of(n_neurons), readout, CORE)
    assert n_parameters(network.core) == 71_936
    assert n_parameters(network.readouts) == expected


def test_outputs_start_at_the_means_behind_their_nonlinearity():
    network = model_of(info_of(6), FREE).eval()
    images = 100 * torch.rand(3, 1, 36, 64)
    with torch.no_grad():
        network.readouts["a"].features.weight.zero_()
        bias = network.readouts["a"].bias
        np.testing.assert_allclose(bias, info_of(6).mean_response)
        np.testing.assert_allclose(network(images), (bias + 1).expand(3, -1), rtol=1e-6)
        responses = torch.rand(64, 6)
        network.start_biases(responses - 3, "a")
        expected = torch.exp(responses.mean(0) - 3)
        np.testing.assert_allclose(network(images)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("readout", [FREE, CORTEX, {"kind": "factorised"}])
def test_scans_share_the_core_and_have_readouts_of_their_own(readout):
    info = info_of(5, 3)
    network = model_of(info, readout, penalties=PAPER)
    assert {n for n, _ in network.readouts["a"].named_parameters()} == {
        n for n, _ in network.readouts["b"].named_parameters()
    }
    images = 100 * torch.rand(2, 1, 36, 64)
    network.eval()
    both = network(images)
    assert both.shape == (2, 8)
    assert (both > 0).all()
    np.testing.assert_array_equal(both[:, :5].detach(), network(images, "a").detach())
    np.testing.assert_array_equal(both[:, 5:].detach(), network(images, "b").detach())
    with torch.no_grad():
        core = float(network.core.smoothness())
        each = [2.439 * float(network.readouts[name].sparsity()) for name in "ab"]
        assert float(network.penalty("b")) == pytest.approx(core + each[1], rel=1e-5)
        assert float(network.penalty()) == pytest.approx(core + sum(each), rel=1e-5)
    network(images, "a").sum().backward()
    assert network.readouts["a"].bias.grad is not None
    assert network.readouts["b"].bias.grad is None
    with pytest.raises(ValueError, match="name it"):
        network(images, noise=torch.zeros(2, 8, 2))


@pytest.mark.parametrize("readout", [FREE, {"kind": "factorised"}])
def test_matched_neurons_share_their_features(readout):
    info = info_of(6, 6, matched=True)
    network = model_of(info, readout | {"share_features": True}, penalties=PAPER)
    first, second = (network.readouts[name].features for name in "ab")
    names = [n for n, _ in network.named_parameters() if "bank" in n or "features" in n]
    assert names == [
        "readouts.a.features.scale",
        "readouts.a.features.bank.weight",
        "readouts.b.features.scale",
    ]
    with torch.no_grad():
        second.scale.fill_(2.0)
        first.scale.fill_(1.0)
        one, two = first(), second()
        for neuron, match in enumerate(info.scans[0].match_id):
            other = int(np.flatnonzero(info.scans[1].match_id == match)[0])
            np.testing.assert_allclose(2 * one[neuron], two[other])
    assert float(second.sparsity()) == 0
    assert float(first.sparsity().detach()) == pytest.approx(
        float(first.bank.weight.detach().abs().sum())
    )
    images = 100 * torch.rand(2, 1, 36, 64)
    network(images, "b").sum().backward()
    assert first.bank.weight.grad.abs().sum() > 0
    if readout["kind"] == "factorised":
        pays, other = network.readouts["a"], network.readouts["b"]
        pays.separate = True
        with torch.no_grad():
            masks = [readout.mask.clamp(min=0).sum(0) for readout in (pays, other)]
            assert float(other.sparsity()) == pytest.approx(float(masks[1].sum()), rel=1e-6)
            expected = float((first.unscaled().abs().sum(1) * masks[0]).sum())
            assert float(pays.sparsity()) == pytest.approx(expected, rel=1e-6)
    restored = model_of(info_of(6, 6, matched=True, seed=1), readout | {"share_features": True})
    restored.load_state_dict(network.state_dict())
    with torch.no_grad():
        np.testing.assert_array_equal(restored.eval()(images), network.eval()(images))


def test_sharing_needs_neurons_that_match():
    shared = FREE | {"share_features": True}
    with pytest.raises(ValueError, match="scan a has neurons without a match"):
        model_of(info_of(4, 4), shared)
    info = info_of(4, 4, matched=True)
    other = replace(info.scans[1], match_id=np.arange(4) + 100)
    with pytest.raises(ValueError, match="scans a and b hold different neurons"):
        model_of(replace(info, scans=(info.scans[0], other)), shared)
    with pytest.raises(ValueError, match="fully_connected readout has no feature weights"):
        model_of(info, {"kind": "fully_connected", "share_features": True})


def test_settings_that_do_not_fit_are_refused():
    info = info_of(4)
    with pytest.raises(ValueError, match="need a data set of scans"):
        model_of(replace(info, scans=()), FREE)
    with pytest.raises(ValueError, match="kind of readout is 'pooled', allowed: gaussian"):
        model_of(info, {"kind": "pooled"})
    with pytest.raises(ValueError, match="either init_range or retinotopy"):
        model_of(info, FREE | CORTEX)
    with pytest.raises(ValueError, match="expected smoothness, readout"):
        model_of(info, FREE, penalties={"readout": 1.0})
    with pytest.raises(ValueError, match=r"do not fit: .*spread"):
        model_of(info, FREE | {"spread": 1})


def trained(network, n_steps=3):
    """A few steps of gradient descent."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser = CorrectedAdam(parameters, None)
    network.train()
    for step in range(n_steps):
        torch.manual_seed(step)
        images, responses = 100 * torch.rand(4, 1, 36, 64), torch.rand(4, 5)
        for parameter in parameters:
            parameter.grad = None
        (poisson_sum(network(images), responses) + network.penalty()).backward()
        optimiser.step(0.01)
    return network


def test_a_frozen_core_keeps_its_weights_but_follows_the_statistics_of_the_batches():
    network = model_of(info_of(5), CORTEX, penalties=PAPER, frozen=True)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    assert set(network.penalties()) == {"readout"}
    after = trained(network).state_dict()
    for name, value in after.items():
        moves = name.startswith("readouts.") or "running" in name
        moves = moves and not name.endswith("coordinates")
        assert torch.equal(value, before[name]) != moves, name


def test_a_trained_core_moves():
    network = model_of(info_of(5), CORTEX, penalties=PAPER)
    before = {k: v.clone() for k, v in network.core.named_parameters()}
    for name, value in trained(network).core.named_parameters():
        assert not torch.equal(value, before[name]), name


def test_a_transferred_core_comes_from_its_file(tmp_path):
    source = trained(model_of(info_of(5), CORTEX))
    path = tmp_path / "core.pth"
    torch.save(to_published(source.core.state_dict()), path)
    network = model_of(info_of(3, seed=1), FREE, frozen=True)
    load_core(network.core, path)
    for name, value in network.core.state_dict().items():
        assert torch.equal(value, source.core.state_dict()[name]), name


def vgg_of(info, readout=CORTEX, **options):
    params = {"layer": "conv2_2", "momentum": 0.1, "readout": readout, "penalties": PAPER}
    return build_model("lurz2021.vgg16", info, params | options)


def statistics(info, mean, sd):
    scans = tuple(replace(scan, image_mean=mean, image_sd=sd) for scan in info.scans)
    return replace(info, scans=scans)


def test_a_random_vgg_is_frozen_and_part_of_the_model():
    info = statistics(info_of(5), 110.0, 50.0)
    torch.manual_seed(2)
    network = vgg_of(info)
    frozen = network.core.convolutions
    assert n_parameters(frozen) == 260_160  # reference section 3.2
    assert network.features(torch.zeros(2, 1, 36, 64)).shape == (2, 128, 18, 32)
    assert network.core.map_size(36, 64) == (18, 32)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    after = trained(network).state_dict()
    for name in before:
        assert torch.equal(after[name], before[name]) == (
            name.startswith("core.") and "running" not in name
        ) or name.endswith("coordinates")
    restored = vgg_of(info_of(5))
    restored.load_state_dict(after)
    images = 255 * torch.rand(2, 1, 36, 64)
    with torch.no_grad():
        np.testing.assert_array_equal(restored.eval()(images), network.eval()(images))
        normalised = ((images - 110) / 50).expand(-1, 3, -1, -1)
        maps = network.core.norm(frozen(normalised)).relu()
        np.testing.assert_allclose(network.features(images), maps, rtol=1e-4, atol=1e-5)
    assert not isinstance(list(frozen)[-1], torch.nn.ReLU)
    std = [float(m.weight.std()) for m in frozen if isinstance(m, torch.nn.Conv2d)]
    expected = [(2 / (9 * n)) ** 0.5 for n in (64, 64, 128, 128)]
    np.testing.assert_allclose(std, expected, rtol=0.06)


def test_a_pretrained_vgg_comes_from_its_file(tmp_path):
    source = layers_up_to("conv2_2")
    torch.save(source.state_dict(), tmp_path / "vgg16.pth")
    network = vgg_of(statistics(info_of(5), 0.0, 1.0), weights=str(tmp_path / "vgg16.pth")).eval()
    images = torch.rand(2, 1, 36, 64)
    with torch.no_grad():
        maps = source.features[:-1](images.expand(-1, 3, -1, -1))
        expected = network.core.norm(maps).relu()
        np.testing.assert_allclose(network.features(images), expected, rtol=1e-5, atol=1e-6)
    assert not any("convolutions" in name for name in network.state_dict())
    info = info_of(3, 3)
    scans = (info.scans[0], replace(info.scans[1], image_mean=3.0))
    with pytest.raises(ValueError, match="scans differ in the mean and sd"):
        vgg_of(replace(info, scans=scans))


@pytest.mark.parametrize("readout", [FREE, CORTEX, {"kind": "factorised"}])
@pytest.mark.parametrize("frozen", [False, True])
def test_networks_that_differ_in_their_penalties_can_be_trained_side_by_side(readout, frozen):
    info = info_of(5)
    networks = []
    for seed, strength in enumerate((0.3, 2.0)):
        torch.manual_seed(seed)
        penalties = {"smoothness": strength, "readout": strength}
        networks.append(model_of(info, readout, penalties=penalties, frozen=frozen).eval())
    stack = Stack(networks, 0, torch.device("cpu"))
    images = 100 * torch.rand(3, 1, 36, 64)
    alone = [network(images).detach() for network in networks]
    together = stack.predict(images)
    for number in range(2):
        np.testing.assert_allclose(together[number], alone[number], rtol=1e-4, atol=1e-5)
    with stack.training():
        responses, penalty = stack(images.expand(2, -1, -1, -1, -1))
        (responses.sum((1, 2)) + penalty).sum().backward()
    expected = [float(network.penalty().detach()) for network in networks]
    np.testing.assert_allclose(penalty.detach(), expected, rtol=1e-4)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in stack.parameters)
    assert len(stack.parameters) == sum(p.requires_grad for p in networks[0].parameters())
    for number, network in enumerate(networks):
        moved = stack.state_dict(number)["core.layers.0.norm.running_mean"]
        assert not torch.equal(moved, network.core.layers[0].norm.running_mean)
