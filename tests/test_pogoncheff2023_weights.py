"""Published weights: names, files. Whole networks: test_models_pogoncheff2023.py."""

from types import SimpleNamespace

import pytest
import torch

from made_up_classifiers import CLASSES, COMPONENTS, PARAMS, SIZE_PX, model_with, write_clean
from scan_trainings import options
from train_responses import main as train_responses
from v1lib.models import ClassifierInfo, build_model
from v1lib.pogoncheff2023_weights import from_published
from v1lib.transfer import start_from_cores


def test_names_of_the_published_networks():
    state = {
        "conv1.weight": torch.zeros(2, 3, 7, 7),
        "layer1.0.conv2.conv.weight": torch.zeros(2, 2, 3, 3),
        "layer1.0.conv2.dog.dog_conv.sigma1": torch.ones(4, 1, 1),
        "layer1.0.conv2.dog.dog_conv.bias": torch.zeros(2),
        "layer1.0.conv2.dog.dog_conv.kernel_dists": torch.ones(5, 5),
        "layer1.1.conv2.0.weight": torch.zeros(2, 2, 3, 3),
        "layer1.1.conv2.1.dog_conv.total_scale": torch.ones(4, 1, 1),
        "layer1.2.conv2.1.weight": torch.zeros(1, 2, 3, 4, 5, 9),
        "layer1.0.dn.sigmas": torch.ones(8),
        "layer1.0.dn.channel_distances": torch.ones(8, 8),
        "layer1.1.dn.A": torch.ones(8, 8, 1, 1),
        "layer1.1.dn.sigma": torch.ones(8, 8, 1, 1),
        "layer1.1.dn.x_coords": torch.ones(3, 3),
        "lpp.pooling_masks": torch.ones(9, 2, 2),
        "lpp.pooling_mask_counts": torch.ones(9),
        "fc.bias": torch.zeros(5),
    }
    assert {name: tuple(value.shape) for name, value in from_published(state).items()} == {
        "conv1.weight": (2, 3, 7, 7),
        "layer1.0.conv2.conv.weight": (2, 2, 3, 3),
        "layer1.0.conv2.filter.center": (4,),
        "layer1.1.conv2.conv.weight": (2, 2, 3, 3),
        "layer1.1.conv2.filter.amplitude": (4,),
        "layer1.2.conv2.1.weight": (4, 5, 2, 3, 3, 3),
        "layer1.0.normalization.width": (8,),
        "layer1.1.normalization.amplitude": (8, 8),
        "layer1.1.normalization.sigma": (8, 8),
        "fc.bias": (5,),
    }


def test_the_numbered_sequence():
    numbered = ["0.weight", "1.running_var", "4.0.conv2.weight", "5.3.bn1.bias", "10.weight"]
    numbered += ["3.pooling_masks", "7.0.downsample.1.num_batches_tracked"]
    names = list(from_published(dict.fromkeys(numbered, torch.zeros(1))))
    assert names == [
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.conv2.weight",
        "layer2.3.bn1.bias",
        "fc.weight",
        "layer4.0.downsample.1.num_batches_tracked",
    ]


def test_a_part_that_is_unknown_is_named():
    with pytest.raises(ValueError, match=r"11\.weight: part 11 .* 10"):
        from_published({"11.weight": torch.zeros(1)})


def test_a_bias_that_would_be_lost_is_named():
    name = "layer1.0.conv2.dog.dog_conv.bias"
    with pytest.raises(ValueError, match=name):
        from_published({name: torch.tensor([0.0, 1e-3])})


def torchvision_state(*, has_counts=True, blocks=PARAMS["blocks"], width=PARAMS["width"]):
    """Random weights with the names and shapes that torchvision gives those of a ResNet."""
    generator = torch.Generator().manual_seed(3)
    state = {}

    def convolution(name, n_out, n_in, kernel):
        state[f"{name}.weight"] = torch.randn(n_out, n_in, kernel, kernel, generator=generator)

    def norm(name, n):
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{part}"] = torch.rand(n, generator=generator)
        if has_counts:
            state[f"{name}.num_batches_tracked"] = torch.tensor(5)

    convolution("conv1", width, 3, 7)
    norm("bn1", width)
    n_in = width
    for stage, n_blocks in enumerate(blocks):
        planes = width * 2**stage
        for number in range(n_blocks):
            block = f"layer{stage + 1}.{number}"
            sizes = [(planes, n_in, 1), (planes, planes, 3), (4 * planes, planes, 1)]
            for part, size in enumerate(sizes, start=1):
                convolution(f"{block}.conv{part}", *size)
                norm(f"{block}.bn{part}", size[0])
            if number == 0:
                convolution(f"{block}.downsample.0", 4 * planes, n_in, 1)
                norm(f"{block}.downsample.1", 4 * planes)
            n_in = 4 * planes
    state["fc.weight"], state["fc.bias"] = torch.zeros(1000, n_in), torch.zeros(1000)
    return state


def network_of(**changes):
    info = ClassifierInfo(len(CLASSES), (3, SIZE_PX, SIZE_PX))
    return build_model("pogoncheff2023.resnet", info, PARAMS | changes)


@pytest.mark.parametrize("has_counts", [True, False])
@pytest.mark.parametrize("magnification", [None, COMPONENTS["magnification"]])
def test_a_file_of_torchvision_fills_all_but_the_output_layer(tmp_path, has_counts, magnification):
    state = torchvision_state(has_counts=has_counts)
    torch.save(state, tmp_path / "resnet.pth")
    network = network_of(magnification=magnification)
    output = network.fc.weight.clone()
    network.read_core(tmp_path / "resnet.pth")
    filled = network.state_dict()
    assert set(torchvision_state()) == set(filled)
    for name in set(state) - {"fc.weight", "fc.bias"}:
        assert torch.equal(filled[name], state[name]), name
    assert torch.equal(network.fc.weight, output)


def test_a_network_starts_from_a_file_of_torchvision_and_learns_other_classes(tmp_path):
    state = torchvision_state()
    torch.save(state, tmp_path / "resnet.pth")
    model = model_with({"max_epochs": 1}, frozen=True) | {"core": {"source": "resnet"}}
    images, cores = write_clean(tmp_path / "images"), [tmp_path / "resnet.pth"]
    train_responses(**options(images, tmp_path / "out", model, seeds=[0, 1], cores=cores))
    members = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["members"]
    assert [tuple(m["state_dict"]["fc.weight"].shape) for m in members] == [(3, 128)] * 2
    for member in members:
        for name, value in member["state_dict"].items():
            if not name.startswith("fc."):
                moves = "running" in name or "num_batches" in name
                assert torch.equal(value, state[name]) != moves, name
    other = {"build": "kindel2019.ln", "core": {"source": "resnet"}}
    with pytest.raises(ValueError, match=r"core\.source: no published file is known for .*\.ln"):
        start_from_cores([torch.nn.Linear(1, 1)], [SimpleNamespace(**other)], other["core"], cores)


def test_files_of_other_networks_are_refused_by_name(tmp_path):
    path, state, network = tmp_path / "resnet.pth", torchvision_state(), network_of()
    with pytest.raises(FileNotFoundError, match="resnet"):
        network.read_core(path)
    wrong = {
        r"layer1\.0\.conv2\.weight has shape .*; blocks, width": state
        | {"layer1.0.conv2.weight": torch.zeros(4, 4, 1, 1)},
        r"layer4\.0\.bn3\.running_var is missing": {
            name: value for name, value in state.items() if name != "layer4.0.bn3.running_var"
        },
        r"has no weight layer2\.1\.bn1\.bias": torchvision_state(blocks=[3, 2, 1, 1]),
        r"'epoch' is no weight": state | {"epoch": 90},
        r"part 11 is none": {"11.weight": torch.zeros(1)},
    }
    for message, stored in wrong.items():
        torch.save(stored, path)
        with pytest.raises(ValueError, match=rf"resnet\.pth: .*{message}"):
            network.read_core(path)
