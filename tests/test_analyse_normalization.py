"""What the best draws have learned: the step on small networks, and the table of statistics."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

import made_up_burg2021 as made
from analyse_normalization import main as analyse
from analyse_normalization import mean_pooled
from recordings import trial_recording
from tables.burg2021_normalization_statistics import main as tabulate
from v1lib.files import read_csv, write_csv
from v1lib.learned_normalization import load_normalization
from v1lib.models import build_model, load_models
from v1lib.normalization_statistics import STATISTIC_COLUMNS
from v1lib.recording import RecordingInfo

N_FEATURES, KERNEL, N_NEURONS = 3, 9, 4
PENALTIES = {
    "smoothness": 0.0,
    "sparsity": [0.0],
    "readout": 0.0,
    "nonlinearity": 0.0,
    "normalization": 0.0,
}
SETTINGS = {
    "thresholds": {"original": 0.125, "scale_free": 0.3},
    "similar_below_deg": 45.0,
    "bin_width_deg": 10.0,
}


def params(*, size=1, components=1, specific=True):
    return {
        "filters": N_FEATURES,
        "kernel": KERNEL,
        "pool": {"average_size": 5, "size": size, "components": components, "dilation": 2},
        "specific": specific,
        "penalties": PENALTIES,
    }


def member(seed, build, options, recording):
    """A network with weights and statistics of its own, as a checkpoint holds it."""
    info = RecordingInfo(
        stimulus_shape=recording.stimuli.shape[1:],
        n_neurons=N_NEURONS,
        mean_response=np.ones(N_NEURONS, dtype=np.float32),
        mean_response_filled=np.ones(N_NEURONS, dtype=np.float32),
    )
    torch.manual_seed(seed)
    module = build_model(build, info, options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
    return {
        "session": "all",
        "seed": seed,
        "build": build,
        "params": options,
        "draw": {},
        "parts": [
            {
                "name": "all",
                "neuron_index": list(range(N_NEURONS)),
                "split": [],
                "match_id": None,
            }
        ],
        "state_dict": module.state_dict(),
    }


def write_search(folder, recording, *, build="burg2021.divisive_net", n_draws=3, **options):
    """Checkpoint and ranking of a search whose best draw is the last."""
    members = [member(seed, build, params(**options), recording) for seed in range(n_draws)]
    content = {
        "dataset": recording.dataset,
        "model": "a_model",
        "source_kind": recording.source_kind,
        "stimulus_shape": list(recording.stimuli.shape[1:]),
        "background": 0.0,
        "classes": None,
        "members": members,
    }
    torch.save(content, folder / "checkpoint.pt")
    ranking = pd.DataFrame(
        {
            "rank": np.arange(1, n_draws + 1),
            "dataset": recording.dataset,
            "model": "a_model",
            "session": "all",
            "seed": np.arange(n_draws)[::-1],
            "validation_correlation": 0.3,
            "fev": 0.2,
        }
    )
    write_csv(ranking, folder / "ranking.csv")
    recording.save(folder / "recording.npz")
    return members


def run(folder, *, rank_ranges=((1, 2), (3, 20))):
    analyse(
        recording=folder / "recording.npz",
        checkpoints=[folder / "checkpoint.pt"],
        ranking=folder / "ranking.csv",
        normalization=folder / "normalization.npz",
        name="a_model",
        rank_ranges=[list(pair) for pair in rank_ranges],
        threads=1,
    )
    return load_normalization(folder / "normalization.npz")


def mean_pooled_by_hand(state, images):
    """Mean over images and places of the average over 5 x 5 existing places of relu(z)^n."""
    maps = nn.functional.conv2d(torch.as_tensor(images), state["layers.0.conv.weight"])
    norm = {name: state[f"layers.0.norm.{name}"].numpy() for name in ("bias", "running_mean")}
    variance = state["layers.0.norm.running_var"].numpy()
    z = maps.numpy() - norm["running_mean"][:, None, None]
    z = z / np.sqrt(variance + 1e-3)[:, None, None] + norm["bias"][:, None, None]
    power = np.maximum(z, 0) ** np.abs(state["normalization.exponent"].numpy())[:, None, None]
    height, width = power.shape[2:]
    total = np.zeros(power.shape[1])
    for row in range(height):
        for column in range(width):
            rows = slice(max(row - 2, 0), row + 3)
            total += power[:, :, rows, max(column - 2, 0) : column + 3].mean((0, 2, 3))
    return total / (height * width)


def test_the_networks_come_by_rank_with_what_they_have_learned(tmp_path):
    recording = trial_recording(n_neurons=N_NEURONS)
    members = write_search(tmp_path, recording)
    found = run(tmp_path)
    assert_array_equal(found.rank, [1, 2, 3])
    assert_array_equal(found.seed, [2, 1, 0])
    assert (found.dataset, found.model, found.source_kind) == ("trials", "a_model", "simulated")
    best = members[2]["state_dict"]
    assert_array_equal(found.kernels[0], best["layers.0.conv.weight"][:, 0])
    assert_allclose(found.input_weights[0], best["normalization.weights"][:, :, 0].abs(), rtol=1e-6)
    assert_allclose(found.exponent[0], best["normalization.exponent"].abs())
    assert_allclose(found.readout_features[0], best["readout.features"].abs())
    assert_allclose(found.pool[0], np.ones((N_FEATURES, 1, 1, 1)), rtol=1e-6)


def test_the_pooled_response_is_averaged_over_the_validation_images(tmp_path):
    recording = trial_recording(n_neurons=N_NEURONS)
    members = write_search(tmp_path, recording)
    found = run(tmp_path)
    images = recording.stimuli[recording.split == "validation"]
    for row, seed in enumerate(found.seed):
        expected = mean_pooled_by_hand(members[seed]["state_dict"], images)
        assert expected.max() > 0.05
        assert_allclose(found.pooled_mean[row], expected, rtol=1e-4)
    of_all = mean_pooled_by_hand(members[2]["state_dict"], recording.stimuli)
    assert not np.allclose(found.pooled_mean[0], of_all, rtol=1e-2)


def test_an_image_counts_by_its_trials_and_in_chunks(tmp_path, monkeypatch):
    recording = trial_recording(n_neurons=N_NEURONS)
    write_search(tmp_path, recording)
    network = build_from(tmp_path)
    images = torch.as_tensor(recording.stimuli[:5])
    alone = [mean_pooled(network, image[None], torch.ones(1).double()) for image in images]
    counts = torch.tensor([1.0, 0.0, 2.0, 1.0, 4.0]).double()
    expected = sum(count * value for count, value in zip(counts, alone, strict=True)) / 8
    monkeypatch.setattr("analyse_normalization.IMAGES_PER_CHUNK", 2)
    assert_allclose(mean_pooled(network, images, counts), expected, rtol=1e-6)


def build_from(folder):
    return load_models(folder / "checkpoint.pt")[0].module


def test_a_non_specific_weight_is_that_of_every_provider(tmp_path):
    recording = trial_recording(n_neurons=N_NEURONS)
    members = write_search(tmp_path, recording, specific=False)
    found = run(tmp_path)
    weights = members[2]["state_dict"]["normalization.weights"].abs()[:, 0]
    assert_allclose(found.input_weights[0], np.tile(weights, (N_FEATURES, 1)), rtol=1e-6)


def test_spatial_pools_are_kept_and_have_no_input(tmp_path):
    recording = trial_recording(n_neurons=N_NEURONS, size=16)
    write_search(tmp_path, recording, size=3, components=2)
    found = run(tmp_path, rank_ranges=[(1, 1)])
    assert found.pool.shape == (1, N_FEATURES, 2, 3, 3)
    assert_allclose((found.pool**2).sum((-2, -1)), 1, rtol=1e-5)
    assert np.isnan(found.input_weights).all()
    assert np.isnan(found.pooled_mean).all()


def test_a_model_without_normalization_is_refused_by_name(tmp_path):
    recording = trial_recording(n_neurons=N_NEURONS)
    options = {"filters": N_FEATURES, "kernel": KERNEL, "penalties": PENALTIES}
    members = [member(0, "burg2021.subunit_net", options, recording)]
    write_search(tmp_path, recording, n_draws=1)
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True) | {"members": members}
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="a_model has no divisive normalization"):
        run(tmp_path)


def test_missing_ranks_and_validation_images_are_said_by_name(tmp_path):
    recording = trial_recording(n_neurons=N_NEURONS)
    write_search(tmp_path, recording)
    with pytest.raises(ValueError, match=r"ranking\.csv: no draw of ranks"):
        run(tmp_path, rank_ranges=[(11, 20)])
    recording.split[:] = "train"
    recording.save(tmp_path / "recording.npz")
    with pytest.raises(ValueError, match="data set trials: no trial of an image of split"):
        run(tmp_path)


def test_a_file_without_the_best_network_is_refused(tmp_path):
    made.learned().of_ranks(2, 3).save(tmp_path / "others.npz")
    with pytest.raises(ValueError, match=r"others\.npz holds no network of rank 1"):
        load_normalization(tmp_path / "others.npz")


# ---- table of statistics --------------------------------------------------------------------


def statistics(folder, **options):
    made.learned(**options).save(folder / "specific.npz")
    made.learned(**options, selective=False).save(folder / "nonspecific.npz")
    pools = []
    for side in (3, 5):
        pools.append(folder / f"pool{side}.npz")
        made.learned(**options, pool_size=side, n_components=2).save(pools[-1])
    tabulate(
        specific=folder / "specific.npz",
        nonspecific=folder / "nonspecific.npz",
        pools=pools,
        statistics=folder / "statistics.csv",
        pool_roles=["pool3", "pool5"],
        n_top=10,
        settings=SETTINGS,
    )
    table = read_csv(folder / "statistics.csv", required=STATISTIC_COLUMNS)
    key = ["role", "criterion", "statistic"]
    assert not table.duplicated(key).any()
    return table.fillna({"criterion": ""}).set_index(key).sort_index()


def test_the_table_has_every_statistic_by_role_and_criterion(tmp_path):
    found = statistics(tmp_path, n_models=12, n_features=16)
    assert set(found["source_kind"]) == {"simulated"}
    for criterion in SETTINGS["thresholds"]:
        assert found.loc[("specific", criterion, "oriented_features"), "n"] == 10
        ratio = found.loc[("specific", criterion, "similar_over_dissimilar")]
        assert ratio["low"] > 2
        assert ratio["p"] < 0.01
        assert ratio["low"] < ratio["value"] < ratio["high"]
        of_control = ("nonspecific", criterion, "similar_over_dissimilar_per_pair")
        control = found.loc[of_control]
        assert control["low"] < 1.5
        larger = found.loc[("specific", criterion, "similar_over_dissimilar_minus_control")]
        assert larger["low"] > 0
        assert found.loc[("specific", criterion, "slope_per_deg_of_best"), "high"] < 0
    original, free = (
        found.loc[("specific", name, "oriented_features_of_best")]
        for name in SETTINGS["thresholds"]
    )
    assert original["n"] == free["n"] == 16


def test_the_centre_of_a_pool_and_the_likeness_of_its_components(tmp_path):
    found = statistics(tmp_path)
    pools = made.learned(pool_size=3, n_components=2).pool[0].astype(float)
    centre = pools[:, :, 1, 1].mean(1)
    others = (pools.mean(1).sum((1, 2)) - centre) / 8
    row = found.loc[("pool3", "", "pool_centre_over_others")]
    assert row["value"] == pytest.approx((centre / others).mean(), rel=1e-6)
    assert row["n"] == len(pools)
    cosine = (pools[:, 0] * pools[:, 1]).sum((1, 2)).mean()
    assert found.loc[("pool3", "", "pool_component_cosine"), "value"] == pytest.approx(cosine)


@pytest.mark.parametrize(
    "options", [{"any_oriented": False}, {"n_models": 1}, {"n_models": 2, "n_features": 2}]
)
def test_small_numbers_give_undefined_statistics_and_no_error(tmp_path, options):
    found = statistics(tmp_path, **options)
    ratio = found.loc[("specific", "original", "similar_over_dissimilar")]
    assert np.isnan(ratio["low"])
    if "any_oriented" in options:
        assert ratio["n"] == 0
        assert np.isnan(ratio[["value", "p"]].astype(float)).all()
        assert found.loc[("specific", "original", "oriented_features"), "value"] == 0
    assert np.isfinite(found.loc[("specific", "", "exponent"), "value"])
