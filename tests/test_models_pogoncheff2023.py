"""Networks of Pogoncheff et al. 2023 against the recorded originals."""

import numpy as np
import pytest
import torch
from torch import nn

from configured_models import pogoncheff_networks, whole_models
from v1lib.center_surround import CenterSurroundConvolution
from v1lib.channel_normalization import TunedNormalization, UntunedNormalization
from v1lib.locally_connected import LocallyConnected
from v1lib.models import ClassifierInfo, build_model
from v1lib.models.pogoncheff2023 import Bottleneck
from v1lib.pogoncheff2023_weights import from_published
from v1lib.polar_transform import PolarTransform

NETWORKS = pogoncheff_networks()
# As the paper describes it; the released code has no such network.
WITHOUT_ORIGINAL = {"center_surround_antagonistic"}
WITH_ORIGINAL = [name for name in NETWORKS if name not in WITHOUT_ORIGINAL]
SMALL = {"blocks": [3, 1, 1, 1], "width": 16}
COMPONENTS = (
    CenterSurroundConvolution,
    LocallyConnected,
    TunedNormalization,
    UntunedNormalization,
    PolarTransform,
)
SMALL_DOG = NETWORKS["composite_a"]["center_surround"]
SMALL_POLAR = NETWORKS["composite_a"]["magnification"]


def network_of(name, size=SMALL, n_classes=1000, **changes):
    params = NETWORKS[name] | size | changes
    info = ClassifierInfo(n_classes, (3, 64, 64))
    return build_model("pogoncheff2023.resnet", info, params)


def full_network_of(name, **changes):
    """As it is configured."""
    return network_of(name, {}, **changes)


def original_name(name):
    """Of a network, in the recorded cases."""
    return "resnet50" if name == "resnet50" else f"resnet50_{name}"


def filled_state(case):
    """The weights of a recorded network, which are given by a rule (see golden/README.md)."""
    state = {}
    shapes = [tuple(map(int, shape.split("x"))) for shape in case["state_shapes"]]
    seed, rule = int(case["fill_seed"]), zip(case["fill_offset"], case["fill_scale"], strict=True)
    for number, (name, (offset, scale)) in enumerate(zip(case["state_names"], rule, strict=True)):
        # The recorded rule is NumPy's former generator.
        uniform = np.random.RandomState(seed + number).random_sample(shapes[number])
        state[str(name)] = torch.from_numpy((offset + scale * (2 * uniform - 1)).astype("f4"))
    return state


def test_every_recorded_network_is_trained_and_every_trained_one_recorded(golden):
    case = golden("pogoncheff2023/model_parameter_counts_and_shapes.npz")
    assert sorted(map(original_name, WITH_ORIGINAL)) == sorted(case["model"].tolist())
    assert set(NETWORKS) - set(WITH_ORIGINAL) == WITHOUT_ORIGINAL
    other = NETWORKS["center_surround_antagonistic"]["center_surround"]
    described = NETWORKS["center_surround"]["center_surround"]
    assert other == described | {"form": "antagonistic", "norm": "kernel"}


def test_other_trainings_are_of_the_same_networks():
    models, n_found = whole_models(), 0
    for name, params in NETWORKS.items():
        for suffix, frozen in (("adversarial", False), ("finetuned", True)):
            if entry := models.get(f"pogoncheff2023_{name}_{suffix}"):
                assert entry["params"] == params | {"frozen": frozen}
                n_found += 1
    assert n_found == 16


@pytest.mark.parametrize("name", WITH_ORIGINAL)
def test_whole_networks_agree_with_the_originals(golden, name):
    case = golden(f"pogoncheff2023/filled_{original_name(name)}.npz")
    state = from_published(filled_state(case))
    x = torch.as_tensor(case["x"])
    magnification = NETWORKS[name]["magnification"]
    assert bool(case["uses_polar_transform"]) == (magnification is not None)
    for antialias in (False, True) if magnification else (False,):
        changes, key = {}, "eval_logits"
        if magnification:
            changes = {"magnification": magnification | {"antialias": antialias}}
            key += f"_antialias_{str(antialias).lower()}"
        network = full_network_of(name, **changes).eval()
        network.load_state_dict(state, strict=True)
        logits, stages = outputs_of(network, x)
        tolerance = 1e-3 * case[key].std()
        np.testing.assert_allclose(logits, case[key], rtol=0, atol=tolerance)
        if not antialias:
            expected = case["layer1_output_every5th_pixel_antialias_false"]
            tolerance = 1e-4 * expected.std()
            v1 = network.v1(x).detach()
            np.testing.assert_allclose(v1[:, :, ::5, ::5], expected, rtol=0, atol=tolerance)
            found = [(s.mean(), s.std(correction=0), s.abs().max()) for s in stages]
            expected = case["layer1_to_4_output_mean_std_maxabs_antialias_false"]
            np.testing.assert_allclose(found, expected, rtol=1e-4)


def outputs_of(network, x):
    """Logits, and the outputs of the four stages."""
    stages = []
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        stage.register_forward_hook(lambda _, __, output: stages.append(output.detach()))
    with torch.no_grad():
        logits = network(x)
    return logits, stages[:4]


@pytest.mark.parametrize("name", WITH_ORIGINAL)
def test_numbers_of_parameters_and_shapes(golden, name):
    case = golden("pogoncheff2023/model_parameter_counts_and_shapes.npz")
    row = case["model"].tolist().index(original_name(name))
    network = full_network_of(name).eval()
    assert n_parameters(network) == case["parameters_trainable"][row]
    assert all(parameter.requires_grad for parameter in network.parameters())
    logits, stages = outputs_of(network, torch.zeros(2, 3, 64, 64))
    assert tuple(logits.shape) == tuple(case["output_shape_for_2x3x64x64"][row])
    for number, output in enumerate(stages, start=1):
        assert tuple(output.shape) == tuple(case[f"layer{number}_output_shape"][row])


def n_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


DOG = {"kernel": 5, "form": "released", "norm": "place"}
BLOCKS = {  # name of the case: what stands in place of conv2, what follows
    "block_dog_tuned": (lambda: CenterSurroundConvolution(8, 2, **DOG), TunedNormalization),
    "block_plain_standard_dn": (None, UntunedNormalization),
    "block_local_tuned": (lambda: LocallyConnected(4, 4, (16, 16)), TunedNormalization),
    "block_local_no_dn": (lambda: LocallyConnected(4, 4, (16, 16)), None),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_agree_with_the_originals(golden, name):
    case = golden(f"pogoncheff2023/{name}.npz")
    component, normalization = BLOCKS[name]
    block = Bottleneck(int(case["in_channels"]), int(case["planes"]))
    if component is not None:
        block.conv2 = component()
    if normalization is not None:
        block.normalization = normalization(int(case["in_channels"]))
    state = {
        key.replace("param__", "layer1.0.").replace("__", "."): torch.as_tensor(value)
        for key, value in case.items()
        if key.startswith("param__")
    }
    state = {key.removeprefix("layer1.0."): v for key, v in from_published(state).items()}
    block.load_state_dict(state, strict=True)
    x = torch.as_tensor(case["x"])
    for mode in ("eval", "train"):
        expected = torch.as_tensor(case[f"{mode}_output"])
        output = block.train(mode == "train")(x)[: len(expected)]
        torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_components_of_the_networks(name):
    """The grid of the paper (reference sections 1.3 and 3.7)."""
    network = network_of(name)
    kinds = [[type(block.conv2) for block in network.layer1]]
    kinds.append([type(block.normalization) for block in network.layer1])
    composite = name.removeprefix("composite_") if name.startswith("composite") else ""
    first_two = nn.Conv2d
    if name.startswith("center_surround") or composite in tuple("acd"):
        first_two = CenterSurroundConvolution
    third = nn.Conv2d
    if name.startswith("center_surround"):
        third = CenterSurroundConvolution
    elif name == "local_rf":
        third = nn.Sequential
    elif composite in tuple("abcdfg"):
        third = LocallyConnected
    after = nn.Identity
    if name == "tuned_norm" or composite in tuple("abdeg"):
        after = TunedNormalization
    elif name == "div_norm":
        after = UntunedNormalization
    assert kinds == [[first_two, first_two, third], [after] * 3]
    polar = name == "cortical_magnification" or composite in tuple("abcef")
    assert isinstance(network.pool, PolarTransform if polar else nn.MaxPool2d)
    others = [*network.layer2, *network.layer3, *network.layer4]
    assert not [m for block in others for m in block.modules() if isinstance(m, COMPONENTS)]


def test_only_the_single_local_network_drops_channels():
    for name in NETWORKS:
        drops = [m for m in network_of(name).modules() if isinstance(m, nn.Dropout2d)]
        assert [drop.p for drop in drops] == ([0.5] if name == "local_rf" else []), name
    first, second = network_of("local_rf").layer1[2].conv2
    assert isinstance(first, nn.Dropout2d) and isinstance(second, LocallyConnected)


def test_a_network_does_not_remember_those_built_before():
    torch.manual_seed(0)
    alone = network_of("composite_a").state_dict()
    for name in NETWORKS:
        network_of(name)
    torch.manual_seed(0)
    after = network_of("composite_a")
    assert isinstance(after.pool, PolarTransform)
    assert all(torch.equal(alone[name], value) for name, value in after.state_dict().items())


def test_start():
    torch.manual_seed(0)
    network = network_of("composite_d", SMALL | {"width": 64})
    convolutions = {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    for name, conv in convolutions.items():
        fan_out = conv.out_channels * conv.kernel_size[0] ** 2
        assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05), name
        assert conv.bias is None
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        assert (norm.weight == 1).all() and (norm.bias == 0).all()  # of every branch
    alone = network_of("center_surround", SMALL | {"width": 64})
    for block in alone.layer1:  # PyTorch's default, uniform
        bound = 1 / (64 * 9) ** 0.5
        largest = block.conv2.conv.weight.abs().max().item()
        assert 0.99 * bound < largest <= bound
        std = block.conv1.weight.std().item()
        assert std == pytest.approx((2 / 64) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns(name):
    torch.manual_seed(0)
    network = network_of(name, n_classes=7)
    logits = network(torch.rand(4, 3, 64, 64) * 2 - 1)
    assert logits.shape == (4, 7) and logits.isfinite().all()
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), parameter_name


def test_mixed_precision_comes_close():
    torch.manual_seed(0)
    network, x = network_of("composite_a", n_classes=5).eval(), torch.rand(4, 3, 64, 64) * 2 - 1
    expected = network.v1(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network.v1(x).float()
        network(x).float().sum().backward()
    assert (found - expected).norm() < 0.05 * expected.norm()
    assert all(p.grad.dtype == torch.float32 and p.grad.any() for p in network.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", ["composite_a", "div_norm", "local_rf"])
def test_a_gpu_agrees_with_the_cpu(name):
    torch.manual_seed(0)
    network, x = network_of(name).eval(), torch.rand(4, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        expected = network(x)
        found = network.cuda()(x.cuda()).cpu()
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-3 * expected.std().item())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": [3, 1, 1]}, "four stages"),
        ({"normalization": "divisive"}, "'divisive', allowed: tuned, untuned"),
        ({"center_surround": SMALL_DOG | {"share": 0.01}}, "share 0.01 of 16 channels are 0"),
        ({"center_surround": SMALL_DOG | {"blocks": [3]}}, "center_surround: block 3 of 3"),
        ({"local_fields": {"block": 1, "dropout": 0.0}}, "local_fields: block 1 has another"),
        ({"local_fields": {"block": 2, "drop": 0.0}}, "params .* do not fit: .*drop"),
        ({"magnification": SMALL_POLAR | {"n_angle": 3}}, "params .* do not fit: .*n_angle"),
    ],
)
def test_settings_that_make_no_network_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        network_of("composite_a", **changes)


def test_images_that_do_not_fit_are_named():
    info = ClassifierInfo(5, (3, 64, 48))
    params = NETWORKS["cortical_magnification"] | SMALL
    with pytest.raises(ValueError, match="64 x 48"):
        build_model("pogoncheff2023.resnet", info, params)
    with pytest.raises(ValueError, match="fixed with the network"):
        network_of("local_rf")(torch.zeros(1, 3, 48, 48))
