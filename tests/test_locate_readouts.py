"""Where readouts look: what the gradient of a feature map says, and what is drawn in training."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import locate_readouts
from made_up_scans import blocks_in, network_of, record_of, scans_in
from v1lib.cores import ConvolutionalCore, CoreSettings
from v1lib.feature_weights import FeatureWeights
from v1lib.files import read_csv
from v1lib.gaussian_readout import SIGMA_SHAPES, FreePositions, GaussianReadout
from v1lib.readout_positions import located
from v1lib.readouts import DenseReadout, MaskReadout
from v1lib.vgg_core import VggCore

SIZE_PX = (30, 36)
SHAPE = {"filters": 4, "layers": 3, "input_kernel": 7, "hidden_kernel": 3, "momentum": 0.9}
FIRST, SECOND = "1-1-1-0", "1-1-2-0"


def vgg(layer):
    return VggCore(layer=layer, weights=None, momentum=0.1, image_mean=100.0, image_sd=50.0)


CORES = {
    "as the paper's": lambda: ConvolutionalCore(1, CoreSettings(**SHAPE)),
    "padded": lambda: ConvolutionalCore(1, CoreSettings(**SHAPE, pad_input=True)),
    "even kernel": lambda: ConvolutionalCore(1, CoreSettings(**SHAPE | {"input_kernel": 6})),
    "dilated": lambda: ConvolutionalCore(
        1, CoreSettings(**SHAPE, dilation=2, separable=False, read=2)
    ),
    "VGG before pooling": lambda: vgg("conv1_2"),
    "VGG of the paper": lambda: vgg("conv2_2"),
    "VGG after two poolings": lambda: vgg("conv3_1"),
}


@pytest.mark.parametrize("name", CORES)
def test_the_receptive_field_of_a_place_is_centred_where_the_core_says(name):
    torch.manual_seed(0)
    core = CORES[name]().eval()
    height, width = core.map_size(*SIZE_PX)
    row, column = height // 2, width // 2 - 1
    seen = torch.zeros(SIZE_PX)
    for _ in range(20):  # a pooling lets the gradient of one pixel through at a time
        images = (255 * torch.rand(1, 1, *SIZE_PX)).requires_grad_()
        maps = core(images)
        assert maps.shape[2:] == (height, width)
        maps[0, :, row, column].square().sum().backward()
        seen += images.grad[0, 0].abs()
    for axis, place in ((1, row), (0, column)):
        px = np.flatnonzero(seen.sum(axis))
        assert 0 < px[0] and px[-1] < SIZE_PX[1 - axis] - 1  # the field does not touch the border
        centre = float(core.to_pixels(torch.tensor(float(place))))
        assert centre == (px[0] + px[-1]) / 2


def gaussian(n_neurons, covariance="full", n_features=4, seed=0):
    torch.manual_seed(seed)
    positions = FreePositions(n_neurons, init_range=0.9)
    features = FeatureWeights(n_neurons, n_features, std=0.1)
    bias = torch.zeros(n_neurons)
    return GaussianReadout(positions, features, bias, covariance=covariance, init_sigma=0.05)


def test_a_gaussian_readout_reads_what_is_where_it_is_located():
    """Of all neurons the one located at a place responds most to a map with that place alone."""
    core = ConvolutionalCore(1, CoreSettings(**SHAPE))
    readout = gaussian(3)
    height, width = core.map_size(*SIZE_PX)
    places = torch.tensor([[0, 0], [width - 1, height - 1], [5, 7]], dtype=torch.float32)
    last = torch.tensor([width - 1, height - 1])
    with torch.no_grad():
        readout.positions.mean.copy_(2 * places / last - 1)
        readout.features.weight.fill_(1.0)
    found = located(core, readout, SIZE_PX)
    np.testing.assert_allclose(found.pixels, places + 3, atol=1e-5)
    maps = torch.zeros(1, 4, height, width)
    for neuron, (column, row) in enumerate(places.long().tolist()):
        maps.zero_()[..., row, column] = 1.0
        assert readout.eval()(maps)[0].argmax() == neuron


@pytest.mark.parametrize("covariance", SIGMA_SHAPES)
def test_the_matrix_is_that_of_the_positions_drawn_in_training(covariance):
    core = ConvolutionalCore(1, CoreSettings(**SHAPE))
    readout = gaussian(2, covariance)
    with torch.no_grad():
        readout.positions.mean.zero_()  # so that no position that is drawn is at the border
        if covariance == "uncorrelated":
            readout.sigma[:, 1] *= 2
    noise = torch.randn(40_000, 2, 2, generator=torch.Generator().manual_seed(1))
    drawn = readout.sampled(len(noise), noise).detach().numpy()
    height, width = core.map_size(*SIZE_PX)
    px = (drawn + 1) / 2 * [width - 1, height - 1] + 3
    found = located(core, readout, SIZE_PX)
    np.testing.assert_allclose(px.mean(0), found.pixels, atol=0.02)
    for neuron in range(2):
        matrix = found.spread[neuron]
        covariance_px = np.cov(px[:, neuron].T)
        np.testing.assert_allclose(matrix @ matrix.T, covariance_px, rtol=0.05, atol=0.02)


def test_positions_outside_the_map_are_where_they_are_read():
    core = ConvolutionalCore(1, CoreSettings(**SHAPE))
    readout = gaussian(2)
    readout.positions = nn.Module()
    readout.positions.forward = lambda: torch.tensor([[1.5, 0.0], [0.0, -3.0]])
    found = located(core, readout, SIZE_PX)
    np.testing.assert_allclose(found.grid, [[1, 0], [0, -1]])
    np.testing.assert_allclose(found.pixels, [[32, 14.5], [17.5, 3]])


def test_a_mask_is_located_at_its_centre_of_mass():
    core = vgg("conv2_2")
    height, width = core.map_size(*SIZE_PX)
    features = FeatureWeights(3, core.n_features, std=0.1)
    readout = MaskReadout(height * width, features, torch.zeros(3), std=1.0)
    mask = torch.zeros(height, width, 3)
    mask[2, 5, 0], mask[2, 7, 0] = 1.0, 3.0
    mask[9, 1, 1], mask[4, 4, 1] = 1.0, -8.0
    with torch.no_grad():
        readout.mask.copy_(mask.reshape(-1, 3))
    before = readout.mask.clone()
    found = located(core, readout, SIZE_PX)
    assert torch.equal(readout.mask, before)
    np.testing.assert_allclose(found.pixels[:2], [[2 * 6.5 + 0.5, 4.5], [2.5, 18.5]])
    np.testing.assert_allclose(found.grid[0], [2 * 6.5 / (width - 1) - 1, 4 / (height - 1) - 1])
    assert np.isnan(found.grid[2]).all() and np.isnan(found.pixels[2]).all()
    assert np.isnan(found.spread).all() and found.spread.shape == (3, 2, 2)


def test_a_map_of_one_row_has_one_place_along_it():
    core = ConvolutionalCore(1, CoreSettings(**SHAPE | {"layers": 1}))
    features = FeatureWeights(1, 4, std=0.1)
    readout = MaskReadout(6, features, torch.zeros(1), std=1.0)
    with torch.no_grad():
        readout.mask.copy_(torch.eye(6)[:, 2:3])
    found = located(core, readout, (7, 12))
    np.testing.assert_allclose(found.pixels, [[5, 3]])
    np.testing.assert_allclose(found.grid, [[-0.2, 0]])


def test_a_fully_connected_readout_has_no_positions():
    core = ConvolutionalCore(1, CoreSettings(**SHAPE))
    with pytest.raises(ValueError, match="a DenseReadout has no positions"):
        located(core, DenseReadout((4, *core.map_size(*SIZE_PX)), 2), SIZE_PX)


class Network(nn.Module):
    """A core and a readout for each scan."""

    def __init__(self, sizes):
        super().__init__()
        self.core = ConvolutionalCore(1, CoreSettings(**SHAPE | {"input_kernel": 3}))
        self.readouts = nn.ModuleDict({name: gaussian(n) for name, n in sizes.items()})


def test_every_neuron_of_every_run_is_in_the_table(tmp_path, monkeypatch):
    scans = scans_in(tmp_path / "set")
    neurons = {FIRST: [6, 1, 3], SECOND: [0, 4]}
    networks = [
        network_of(scans, neurons, seed=seed, module=Network({FIRST: 3, SECOND: 2}), n_training=12)
        for seed in (0, 1)
    ]
    draws = [{"images": 12, "replicate": seed, "initialisation": 0} for seed in (0, 1)]
    failed = record_of(2, status="failed", reason="loss is NaN")
    files = blocks_in(
        tmp_path,
        monkeypatch,
        [(networks[0], record_of(0, draw=draws[0]))],
        [(networks[1], record_of(1, draw=draws[1])), (None, failed)],
    )
    table = tmp_path / "positions.csv"
    locate_readouts.main(recording=tmp_path / "set", positions=table, **files)
    found = read_csv(table)
    assert list(found.columns) == [
        *("dataset", "model", "seed", "images", "neurons", "replicate", "initialisation"),
        *("session", "neuron", "x", "y", "x_px", "y_px", "a_xx", "a_xy", "a_yx", "a_yy"),
        *("cortex_x_um", "cortex_y_um", "source_kind"),
    ]
    assert found.groupby("seed").size().tolist() == [5, 5]
    facts = ["images", "neurons", "replicate", "initialisation", "source_kind"]
    assert found[facts].drop_duplicates().to_numpy().tolist() == [
        [12, 2.5, 0, 0, "simulated"],
        [12, 2.5, 1, 0, "simulated"],
    ]
    rows = found[(found["seed"] == 1) & (found["session"] == FIRST)]
    assert rows["neuron"].tolist() == neurons[FIRST]
    expected = located(networks[1].module.core, networks[1].module.readouts[FIRST], (6, 8))
    np.testing.assert_allclose(rows[["x_px", "y_px"]], expected.pixels, rtol=1e-6)
    np.testing.assert_allclose(rows[["a_xx", "a_xy"]], expected.spread[:, 0], rtol=1e-6)
    np.testing.assert_allclose(rows[["a_yx", "a_yy"]], expected.spread[:, 1], rtol=1e-6)
    where = scans[FIRST].neuron_position[neurons[FIRST], :2]
    np.testing.assert_allclose(rows[["cortex_x_um", "cortex_y_um"]], where, rtol=1e-6)
    other = failed | {"model": "other"}
    files = blocks_in(tmp_path, monkeypatch, [(networks[0], record_of(0))], [(None, other)])
    with pytest.raises(ValueError, match="every run failed of model other"):
        locate_readouts.main(recording=tmp_path / "set", positions=table, **files)
    assert len(pd.read_csv(table)) == 10
