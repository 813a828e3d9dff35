"""Images that activate units of the V1 stage most: known answers, limits, seeds."""

import logging

import numpy as np
import pytest
import torch

import activating_images as step
from made_up_classifiers import COMPONENTS, PARAMS, SIZE_PX, model_with, train, write_clean
from v1lib.activating_images import (
    ImageAscent,
    Units,
    activating_images,
    chosen_channels,
    noise,
    total_variation,
)
from v1lib.files import read_npz
from v1lib.models import ClassifierInfo, build_model
from v1lib.steps import parser_of

SHAPE = (3, SIZE_PX, SIZE_PX)
CPU = torch.device("cpu")
ASCENT = {
    **{"n_steps": 24, "learning_rate": 0.05, "total_variation": 1e-3, "start_std": 0.01},
    "seed": 0,
}
SETTINGS = ASCENT | {"seeds": [0, 1], "n_channels": 3, "place": [4, 3], "polar_place": [2, 5]}


def network_with(seed=0, **components):
    torch.manual_seed(seed)
    info = ClassifierInfo(3, SHAPE)
    network = build_model("pogoncheff2023.resnet", info, PARAMS | components)
    network.train()
    with torch.no_grad():  # so that batch norms know the maps
        network.v1(torch.rand(32, *SHAPE) * 2 - 1)
    return network.eval()


def ascend(network, channels=(0, 5, 9), place=(4, 3), **settings):
    return activating_images(
        network,
        channels,
        place,
        shape=SHAPE,
        settings=ImageAscent(**ASCENT | settings),
        device=CPU,
    )


@pytest.mark.parametrize(
    "components", [{}, {"normalization": "tuned"}, {"normalization": "untuned"}]
)
def test_images_activate_their_units_more_than_noise_does(components):
    network = network_with(**components)
    found = ascend(network, channels=range(16))
    assert found.images.shape == (16, *SHAPE) and found.images.dtype == np.float32
    assert np.abs(found.images).max() <= 1
    assert found.activation.shape == (25, 16)
    assert (found.activation[-1] > found.activation[0]).all()
    with torch.no_grad():
        maps = network.v1(torch.from_numpy(found.images)).numpy()
    last = maps[np.arange(16), np.arange(16), 4, 3]
    np.testing.assert_allclose(found.activation[-1], last, rtol=1e-4, atol=1e-6)
    # It is the pattern, not the contrast: turned upside down, images activate them far less.
    with torch.no_grad():
        turned = network.v1(torch.from_numpy(found.images).flip(2)).numpy()
    assert np.median(turned[np.arange(16), np.arange(16), 4, 3] / last) < 0.5


def test_silent_units_are_woken():
    network = network_with()
    with torch.no_grad():
        network.layer1[-1].bn3.bias[::2] = -2.0
    found = ascend(network, channels=range(16), n_steps=40)
    assert (found.activation[0, ::2] == 0).all()  # so there is something to wake
    assert (found.activation[-1] > 0).all()


def test_units_are_read_with_what_is_rectified():
    network = network_with()
    images = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    activation, drive = Units(network, [1, 3, 5, 7], (2, 6))(images)
    torch.testing.assert_close(activation, drive.clamp(min=0))
    assert (drive < 0).any()
    expected = network.v1(images)[torch.arange(4), torch.tensor([1, 3, 5, 7]), 2, 6]
    torch.testing.assert_close(activation, expected)
    short = network_with(blocks=[1, 1, 1, 1])  # its last block has a projection as its shortcut
    activation, drive = Units(short, [1, 3, 5, 7], (2, 6))(images)
    torch.testing.assert_close(activation, drive.clamp(min=0))


def test_light_is_added_where_the_unit_sees_it():
    """A linear network of one pixel: the best image is white there and grey elsewhere."""

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bn3, self.downsample = torch.nn.Identity(), None

        def forward(self, maps):
            return (self.bn3(maps) + maps).relu()

    class OnePixel(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer1 = torch.nn.Sequential(Block())

        def v1(self, images):
            return self.layer1(images * torch.tensor([1.0, -1.0, 1.0])[:, None, None])

    options = {"start_std": 0.0, "total_variation": 0.01, "n_steps": 30}
    found = ascend(OnePixel(), channels=[0, 1], place=(7, 20), **options)
    expected = np.zeros((2, *SHAPE), dtype=np.float32)
    expected[0, 0, 7, 20], expected[1, 1, 7, 20] = 1, -1
    np.testing.assert_allclose(found.images, expected, atol=0.06)  # a step is at most 0.05
    assert found.activation[-1].tolist() == [2, 2]


def test_total_variation_is_that_of_neighbours():
    image = torch.zeros(2, 3, 4, 5)
    image[0, 1, 2, 2] = -2.0  # four neighbours
    image[1, :, 0, 0] = 1.0  # two, in three colours
    assert total_variation(image).tolist() == [8.0, 6.0]


def test_a_larger_penalty_makes_smoother_images():
    network = network_with()
    variations = [
        total_variation(torch.from_numpy(ascend(network, total_variation=weight).images)).mean()
        for weight in (0.0, 0.1)
    ]
    assert variations[1] < 0.5 * variations[0]


def test_images_depend_on_the_seed_and_on_no_other_channel():
    network = network_with()
    found = ascend(network)
    np.testing.assert_array_equal(found.images, ascend(network).images)
    alone = ascend(network, channels=(5,))
    np.testing.assert_allclose(alone.images[0], found.images[1], atol=5e-3)
    other = ascend(network, seed=1)
    assert np.abs(other.images - found.images).max() > 0.1
    start = noise([3, 4], SHAPE, ImageAscent(**ASCENT | {"start_std": 0.2}))
    assert start.std().item() == pytest.approx(0.2, rel=0.05)
    assert not torch.equal(start[0], start[1])


def test_channels_are_drawn_without_replacement():
    channels = chosen_channels(16, 8, seed=0)
    assert channels == sorted(set(channels)) and len(channels) == 8 and max(channels) < 16
    assert channels == chosen_channels(16, 8, seed=0) != chosen_channels(16, 8, seed=1)
    assert chosen_channels(4, 4, seed=0) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="17 channels are asked for, the V1 stage has 16"):
        chosen_channels(16, 17, seed=0)


@pytest.mark.parametrize(("channels", "place"), [((16,), (0, 0)), ((0,), (8, 0)), ((0,), (0, 8))])
def test_units_that_do_not_exist_are_refused(channels, place):
    with pytest.raises(ValueError, match="has 16 channels of 8 x 8 places"):
        ascend(network_with(), channels=channels, place=place)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    images = write_clean(folder / "images")
    magnified = model_with({"max_epochs": 1}, magnification=COMPONENTS["magnification"])
    plain = train(images, folder / "plain", model_with({"max_epochs": 1}))
    return images, {"plain": plain, "polar": train(images, folder / "polar", magnified)}


def run(trained, folder, name="plain", **settings):
    images, checkpoints = trained
    step.main(
        images=images,
        checkpoints=[checkpoints[name]],
        activating=folder / "activating.npz",
        name=name,
        settings=SETTINGS | settings,
        device="cpu",
        threads=1,
        gpu=0,
    )
    return read_npz(folder / "activating.npz")


@pytest.mark.parametrize(("name", "place"), [("plain", (4, 3)), ("polar", (2, 5))])
def test_the_file_says_whose_images_they_are(trained, tmp_path, caplog, name, place):
    caplog.set_level(logging.INFO)
    found = run(trained, tmp_path, name)
    assert found["images"].shape == (6, *SHAPE) and found["activation"].shape == (25, 6)
    assert found["seed"].tolist() == [0, 0, 0, 1, 1, 1]
    assert found["channel"][:3].tolist() == found["channel"][3:].tolist()
    assert set(zip(found["row"], found["column"], strict=True)) == {place}
    assert bool(found["polar"]) == (name == "polar")
    assert [str(found[key]) for key in ("dataset", "model", "source_kind")] == [
        *("toy", name),
        "simulated",
    ]
    said = [line for line in caplog.messages if line.startswith("step ")]
    assert len(said) >= 20 and "step 24 of 24" in said[-1]
    # The two networks differ, and so do their images.
    assert np.abs(found["images"][:3] - found["images"][3:]).max() > 0.1


def test_networks_that_were_not_trained_are_missed(trained, tmp_path):
    with pytest.raises(ValueError, match=r"no network of seeds \[7\] was trained for model plain"):
        run(trained, tmp_path, seeds=[7])


def test_the_step_has_a_command_line():
    assert "--activating" in parser_of(step.main, "activating_images").format_help()
