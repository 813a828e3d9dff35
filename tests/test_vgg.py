"""VGG-16 features, on a made-up weight file in the layout of torchvision's."""

import numpy as np
import pytest
import torch

from v1lib.models import build_model
from v1lib.recording import RecordingInfo
from v1lib.regression import features_of, fit_regression
from v1lib.splits import SPLIT_CODES, random_split
from v1lib.vgg import (
    Frame,
    VggFeatures,
    framed,
    layer_names,
    layers_up_to,
    load_weights,
    window_of,
)

# Shapes of the convolutions of torchvision's vgg16, by their number in its ``features``.
SHAPES = {
    0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256),
    14: (256, 256), 17: (512, 256), 19: (512, 512), 21: (512, 512), 24: (512, 512),
    26: (512, 512), 28: (512, 512),
}  # fmt: skip
FRAME = Frame(size_px=160, offset_px=63, upsample=2, crop_px=224)
SMALL = Frame(size_px=40, offset_px=14, upsample=2, crop_px=64)
BACKGROUND = 116.0


def made_up_weights(last):
    generator = torch.Generator().manual_seed(0)
    stored = {}
    for number, shape in SHAPES.items():
        if number <= last:
            weight = torch.randn(*shape, 3, 3, generator=generator)
            stored[f"features.{number}.weight"] = weight * (2 / (9 * shape[1])) ** 0.5
            stored[f"features.{number}.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    return stored | {"classifier.6.bias": torch.zeros(1000)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file with the layers up to conv3_3."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(made_up_weights(last=14), path)
    return path


def images_of(n, side=12):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 1, side, side)).astype(np.float32)


def test_the_network_has_the_layers_and_parameter_names_of_torchvision():
    with torch.device("meta"):
        state = layers_up_to("conv5_3").state_dict()
    expected = {f"features.{n}.weight": (*shape, 3, 3) for n, shape in SHAPES.items()}
    expected |= {f"features.{n}.bias": (shape[0],) for n, shape in SHAPES.items()}
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected
    assert len(layer_names()) == 13
    with torch.device("meta"):
        assert list(layers_up_to("conv2_1").state_dict())[-1] == "features.5.bias"


def test_weights_are_those_of_the_file(weights):
    network = load_weights(layers_up_to("conv3_3"), weights)
    stored = torch.load(weights, weights_only=True)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, stored[name])


def test_activations_are_those_of_the_layers_one_by_one(weights):
    stored = torch.load(weights, weights_only=True)
    x = torch.rand(1, 3, 24, 24) * 255
    expected = x
    for number in (0, 2, "pool", 5):
        if number == "pool":
            expected = torch.nn.functional.max_pool2d(expected, 2)
            continue
        weight, bias = (stored[f"features.{number}.{part}"] for part in ("weight", "bias"))
        expected = torch.relu(torch.nn.functional.conv2d(expected, weight, bias, padding=1))
    network = load_weights(layers_up_to("conv2_1"), weights)
    assert torch.allclose(network(x), expected, rtol=1e-4, atol=1e-2)


def test_a_small_image_is_pasted_enlarged_and_cropped_as_in_the_original_stimulus():
    image = torch.tensor(images_of(1, side=33))
    shown = framed(image, BACKGROUND, FRAME)
    assert shown.shape == (1, 1, 224, 224)
    # Rows and columns 63..95 of 160, doubled, less the (320 - 224) / 2 that the crop takes off.
    assert torch.equal(shown[0, 0, 78:144:2, 79:144:2], image[0, 0])
    shown[:, :, 78:144, 78:144] = BACKGROUND
    assert (shown == BACKGROUND).all()


@pytest.mark.parametrize("layer", ["conv1_1", "conv2_2", "conv3_1", "conv3_3"])
def test_only_units_that_the_image_can_change_are_computed_and_they_are_exact(layer, weights):
    images = torch.tensor(images_of(3))
    core = VggFeatures((12, 12), background=BACKGROUND, weights=weights, layer=layer, frame=SMALL)
    features = core(images)
    network = load_weights(layers_up_to(layer), weights)
    with torch.no_grad():
        full = network(framed(images, BACKGROUND, SMALL).expand(-1, 3, -1, -1))
    window = slice(core.window.first, core.window.last + 1)
    scale = full.abs().max()
    assert torch.allclose(features, full[:, :, window, window].flatten(1), atol=1e-5 * scale)
    outside = full.clone()
    outside[:, :, window, window] = 0
    assert (outside - outside[:1]).abs().max() <= 1e-5 * scale
    # Each border of the window is reached by the image: nothing too many.
    changed = (full[:, :, window, window] - full[:1, :, window, window]).abs().amax(dim=(0, 1))
    for border in (changed[0], changed[-1], changed[:, 0], changed[:, -1]):
        assert border.max() > 1e-4 * scale


def test_the_window_of_the_papers_layers_is_a_fraction_of_the_map():
    image = range(78, 144)
    assert (window_of("conv1_1", image, 224).first, window_of("conv1_1", image, 224).last) == (
        77,
        144,
    )
    window = window_of("conv3_3", image, 224)
    assert (window.first, window.last) == (15, 40)
    assert window.start % 4 == 0 and window.stop - window.start < 160
    deep = window_of("conv5_3", image, 224)
    assert (deep.first, deep.last, deep.start, deep.stop) == (0, 13, 0, 224)


def test_a_neuron_that_listens_to_a_unit_is_found(weights):
    images = images_of(72)
    info = RecordingInfo((1, 12, 12), 1, np.zeros(1, dtype=np.float32), BACKGROUND)
    params = {"weights": str(weights), "layer": "conv2_1", "frame": SMALL.__dict__}
    model = build_model("kindel2019_regression.vgg_regression", info, params)
    features = features_of(model, images)
    unit = int(features.std(axis=0).argmax())
    split = random_split(
        np.random.default_rng(0).permutation(72), train_fraction=0.6, validation_fraction=0.2
    )
    responses = features[:, [unit]].astype(np.float64)
    alpha = 0.2 * responses.std()
    record = fit_regression(
        model,
        images,
        responses,
        split,
        method="lasso",
        alphas=[alpha],
        selection="fixed",
        features=features,
    )
    assert record["n_used"] < record["n_features"] / 100
    test = split == SPLIT_CODES["test"]
    with torch.no_grad():
        prediction = model(torch.tensor(images[test])).numpy()
    assert np.corrcoef(prediction[:, 0], responses[test, 0])[0, 1] > 0.95
    # The network's weights stay in their own file.
    assert set(model.state_dict()) == {"readout.units", "readout.weight", "readout.bias"}


def test_a_wrong_weight_file_is_named(tmp_path):
    path = tmp_path / "vgg16.pth"
    network = layers_up_to("conv1_2")
    with pytest.raises(FileNotFoundError, match=r"vgg16\.pth: no such file"):
        load_weights(network, path)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"vgg16\.pth: not a readable weight file"):
        load_weights(network, path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="holds a list"):
        load_weights(network, path)
    stored = made_up_weights(last=2)
    torch.save({k: v for k, v in stored.items() if k != "features.2.bias"}, path)
    with pytest.raises(ValueError, match=r"features\.2\.bias is missing"):
        load_weights(network, path)
    torch.save(stored | {"features.2.weight": torch.zeros(64, 64, 5, 5)}, path)
    with pytest.raises(ValueError, match=r"features\.2\.weight has shape \(64, 64, 5, 5\)"):
        load_weights(network, path)


def test_unknown_layers_and_images_beyond_the_frame_are_refused(weights):
    arguments = {"background": BACKGROUND, "weights": weights, "frame": SMALL}
    with pytest.raises(ValueError, match="layer is 'conv2_3', allowed: conv1_1"):
        VggFeatures((12, 12), layer="conv2_3", **arguments)
    with pytest.raises(ValueError, match="40 x 40 px do not fit"):
        VggFeatures((40, 40), layer="conv1_1", **arguments)
