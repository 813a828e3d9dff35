"""Steps, figures and statistics of the in-silico experiments of Burg 2021, on small networks."""

import importlib

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread

from figures import burg2021_f_coi as f_coi
from recordings import trial_recording
from tables import burg2021_insilico_statistics as insilico_statistics
from test_optimal_gabor import BUILDS, NO_PENALTY, grid_of
from v1lib import plotting
from v1lib.block_files import save_checkpoint
from v1lib.data_sets import of_recording
from v1lib.files import read_csv, read_npz, write_csv, write_npz
from v1lib.gabors import gabors_of
from v1lib.models import load_models
from v1lib.recording import load_recording
from v1lib.runs import RunResult, initial_model, plan_runs

GRID = {
    "location_step": 4,
    "size_px": {"first": 4, "last": 14, "n": 2},
    "relative_frequency": {"first": 0.8, "ratio": 1.6, "n": 2},
    "contrast": {"first": 0.5, "last": 2.5, "n": 2},
    "n_orientations": 4,
    "n_phases": 2,
    "search": {"method": "auto"},
}
PLAIDS = {
    "contrast": {"first": 0.05, "last": 1.25, "n": 3},
    "n_phase_shifts": 4,
}
SIZES = {"total_radius_px": 20, "scale": {"first": 0.1, "last": 1.0, "n": 5}, "contrast": 2.5}
COMPUTE = {"device": "cpu", "threads": 1, "gpu": 0}
MODEL = "burg2021_divisive_net"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recording and three ranked networks, initialised but for a wider spread of weights."""
    path = tmp_path_factory.mktemp("insilico")
    recording = trial_recording()
    recording.save(path / "recording.npz")
    data = of_recording(recording)
    build, params = BUILDS["divisive"]
    training = {"split": "recording"}
    entry = {"build": build, "params": params | {"penalties": NO_PENALTY}, "training": training}
    plans = plan_runs(data, entry, [0, 1, 2])
    results = []
    for plan in plans:
        network = initial_model(data, plan)
        with torch.no_grad():
            network.layers[0].conv.weight *= 20
            network.readout.spatial *= 10
            network.readout.features *= 10
        results.append(RunResult(status="ok", state_dict=network.state_dict()))
    save_checkpoint(path / "checkpoint.pt", data, "toy", plans, results)
    ranking = {
        "rank": [1, 2, 3],
        "dataset": "trials",
        "model": MODEL,
        "session": "all",
        "seed": [2, 0, 1],
    }
    write_csv(
        pd.DataFrame(ranking | {"validation_correlation": 0.3, "fev": 0.4}), path / "ranking.csv"
    )
    inputs = {
        "recording": path / "recording.npz",
        "checkpoints": [path / "checkpoint.pt"],
        "ranking": path / "ranking.csv",
    }
    step("insilico_optimal_gabors")(
        **inputs, optimal_gabors=path / "gabors.csv", name=MODEL, n_top=2, settings=GRID, **COMPUTE
    )
    inputs |= {"optimal_gabors": path / "gabors.csv", "name": MODEL} | COMPUTE
    step("insilico_cross_orientation")(
        **inputs, cross_orientation=path / "coi.npz", settings=PLAIDS
    )
    step("insilico_size_tuning")(**inputs, size_tuning=path / "sizes.npz", settings=SIZES)
    return path


def step(name):
    return importlib.import_module(name).main


def networks_of(folder):
    return {network.seed: network for network in load_models(folder / "checkpoint.pt")}


def test_optimal_gabors_are_named_and_give_the_response_that_stands_beside_them(folder):
    table = read_csv(folder / "gabors.csv")
    assert table["rank"].tolist() == [1] * 4 + [2] * 4
    assert table["seed"].tolist() == [2] * 4 + [0] * 4
    assert table["neuron"].tolist() == [0, 1, 2, 3] * 2
    assert set(table["source_kind"]) == {"simulated"}
    networks = networks_of(folder)
    for seed, rows in table.groupby("seed"):
        images = rows["contrast"].to_numpy()[:, None, None] * gabors_of(rows).images((14, 14))
        responses = networks[seed].respond(images[:, None].astype("f4"))
        np.testing.assert_allclose(responses.diagonal(), rows["response"], rtol=1e-4)
        everything = networks[seed].respond(
            np.random.default_rng(0).choice(load_recording(folder / "recording.npz").stimuli, 20)
        )
        assert np.isfinite(everything).all()


def test_methods_agree(folder, tmp_path):
    expected = read_csv(folder / "gabors.csv")
    for method in ("images", "crops"):
        step("insilico_optimal_gabors")(
            recording=folder / "recording.npz",
            checkpoints=[folder / "checkpoint.pt"],
            ranking=folder / "ranking.csv",
            optimal_gabors=tmp_path / "gabors.csv",
            name=MODEL,
            n_top=2,
            settings=GRID | {"search": {"method": method}},
            **COMPUTE,
        )
        found = read_csv(tmp_path / "gabors.csv")
        np.testing.assert_allclose(found["response"], expected["response"], rtol=1e-5)
        np.testing.assert_array_equal(found["index"], expected["index"])


def test_a_killed_search_does_not_search_a_finished_network_again(folder, tmp_path, monkeypatch):
    module = importlib.import_module("insilico_optimal_gabors")
    searched = []
    search = module.search

    def dying(network, *arguments):
        searched.append(network.seed)
        if len(searched) == 2:
            raise KeyboardInterrupt
        return search(network, *arguments)

    monkeypatch.setattr(module, "search", dying)
    arguments = {
        "recording": folder / "recording.npz",
        "checkpoints": [folder / "checkpoint.pt"],
        "ranking": folder / "ranking.csv",
        "optimal_gabors": tmp_path / "gabors.csv",
        "name": MODEL,
        "n_top": 2,
        "settings": GRID,
    }
    with pytest.raises(KeyboardInterrupt):
        module.main(**arguments, **COMPUTE)
    assert not (tmp_path / "gabors.csv").exists()
    module.main(**arguments, **COMPUTE)
    assert searched == [2, 0, 0]
    pd.testing.assert_frame_equal(
        read_csv(tmp_path / "gabors.csv"), read_csv(folder / "gabors.csv")
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "gabors.csv"]


def test_an_unknown_method_is_refused(folder):
    module = importlib.import_module("insilico_optimal_gabors")
    network = load_models(folder / "checkpoint.pt")[0]
    with pytest.raises(ValueError, match="allowed: auto, images, crops, screened"):
        module.search(network, grid_of(), {"method": "guess"}, torch.device("cpu"))


def test_experiments_use_the_optimal_patches(folder):
    coi, sizes = read_npz(folder / "coi.npz"), read_npz(folder / "sizes.npz")
    assert coi["tuning"].shape == (2, 4, 4, 4)
    assert sizes["discs"].shape == sizes["rings"].shape == (2, 4, 6)
    table = read_csv(folder / "gabors.csv")
    rows = table[table["rank"] == 2].reset_index(drop=True)
    network = networks_of(folder)[0]
    patch = gabors_of(rows).at(3)
    alone = 0.25 * patch.images((14, 14))[None, None].astype("f4")
    np.testing.assert_allclose(coi["tuning"][1, 3, 0, 2], network.respond(alone)[0, 3], rtol=1e-4)
    blank = network.respond(np.zeros((1, 1, 14, 14), "f4"))[0]
    np.testing.assert_allclose(coi["tuning"][1, :, 0, 0], blank, rtol=1e-5)
    np.testing.assert_allclose(sizes["discs"][1, :, 0], blank, rtol=1e-5)
    # The largest disc is the grating without a hole.
    np.testing.assert_allclose(sizes["discs"][..., -1], sizes["rings"][..., 0], rtol=1e-4)


def test_patches_of_other_networks_are_refused(folder, tmp_path):
    table = read_csv(folder / "gabors.csv").assign(seed=7)
    write_csv(table, tmp_path / "gabors.csv")
    with pytest.raises(ValueError, match="rank 1 is not seed 2"):
        step("insilico_size_tuning")(
            recording=folder / "recording.npz",
            checkpoints=[folder / "checkpoint.pt"],
            ranking=folder / "ranking.csv",
            optimal_gabors=tmp_path / "gabors.csv",
            size_tuning=tmp_path / "sizes.npz",
            name=MODEL,
            settings=SIZES,
            **COMPUTE,
        )


def made_up(path, n_networks, n_neurons, source_kind):
    """Files of experiments on three models, of known indices; the last neuron is silent."""
    rng = np.random.default_rng(0)
    head = {"dataset": "d", "source_kind": source_kind, "neuron": np.arange(n_neurons)}
    head |= {"rank": np.arange(1, n_networks + 1), "seed": np.arange(n_networks)}
    contrast = np.array([0, *0.0252 * 50 ** (np.arange(9) / 8)])
    for model, inhibited in (
        ("burg2021_divisive_net", 0.5),
        ("burg2021_cnn3", 0.4),
        ("burg2021_subunit_net", 0.1),
    ):
        index = rng.beta(1, 12, (n_networks, n_neurons)) * 0.1
        index[:, : int(inhibited * n_neurons)] += 0.3
        index[:, -1] = np.nan
        drive = contrast**2 / (0.05 + contrast**2 + inhibited * contrast[:, None] ** 2)
        tuning = np.broadcast_to(0.2 + drive, (n_networks, n_neurons, 10, 10))
        arrays = {"contrast": contrast, "tuning": tuning, "index": index, "model": model}
        write_npz(path / f"{model}.npz", **head, **arrays)
    radii = np.array([-0.6, *3 * 1.23859 ** np.arange(15)])
    discs = (
        0.1
        + 1
        - np.exp(-(np.maximum(radii, 0) ** 2) / rng.uniform(30, 150, (n_networks, n_neurons, 1)))
    )
    suppression = rng.normal(0.02, 0.03, (n_networks, n_neurons))
    sizes = {"radii_px": radii, "discs": discs, "suppression": suppression}
    field = {
        "summation_px": rng.choice(radii[3:9], suppression.shape),
        "model": "burg2021_divisive_net",
    }
    write_npz(path / "sizes.npz", **head, **sizes, **field)
    return [path / f"burg2021_{name}.npz" for name in ("divisive_net", "cnn3", "subunit_net")]


@pytest.fixture(params=[(10, 166, "real"), (1, 5, "simulated")], ids=["paper", "demo"])
def experiments(request, tmp_path):
    return made_up(tmp_path, *request.param), *request.param, tmp_path


def outputs(path, name):
    return {
        "figure": path / f"{name}.png",
        "pdf": path / f"{name}.pdf",
        "table": path / f"{name}.csv",
    }


def test_figure_of_cross_orientation_inhibition(experiments, monkeypatch):
    files, n_networks, n_neurons, kind, path = experiments
    drawn = []
    save = plotting.save_figure
    monkeypatch.setattr(
        plotting, "save_figure", lambda page, *rest: (drawn.append(page), save(page, *rest))
    )
    step("figures.burg2021_f_coi")(
        experiments=files,
        **outputs(path, "f_coi"),
        example_neuron=107,
        inhibited_from=0.1,
        full_contrast=2.52,
    )
    assert imread(path / "f_coi.png").shape[1] > 1500 and (path / "f_coi.pdf").stat().st_size > 0
    table = read_csv(path / "f_coi.csv")
    example = table[table["panel"] == "example"]
    assert set(example["neuron"]) == {min(107, n_neurons - 1)}
    assert example.groupby("model")["response"].max().eq(1).all() and len(example) == 300
    assert example["orthogonal_percent"].max() == pytest.approx(50)
    rows = table[table["panel"] == "index"]
    assert len(rows) == 3 * n_networks * n_neurons
    shares = rows.groupby("model")["mean_share_percent"].first()
    expected = 100 * int(0.5 * n_neurons) / n_neurons
    assert shares["burg2021_divisive_net"] == pytest.approx(expected, abs=100 / n_neurons)
    texts = " ".join(ax.get_title(loc="left") for ax in drawn[0].axes)
    assert f"{shares['burg2021_divisive_net']:.1f} % of neurons" in texts
    assert f"{n_networks} without index" in texts
    assert plotting.is_marked_simulated(drawn[0]) == (kind == "simulated")


def test_figure_of_size_tuning(experiments):
    _, n_networks, n_neurons, _, path = experiments
    step("figures.burg2021_f7a_size_tuning")(
        experiment=path / "sizes.npz", **outputs(path, "f7a"), pixels_per_degree=35.0
    )
    assert (path / "f7a.png").exists() and (path / "f7a.pdf").exists()
    table, found = read_csv(path / "f7a.csv"), read_npz(path / "sizes.npz")
    rows, curves = (table[table["panel"] == panel] for panel in ("index", "curve"))
    assert len(rows) == n_networks * n_neurons and len(curves) == 16 * (n_neurons + 1)
    assert rows["mean_index"].iloc[0] == pytest.approx(found["suppression"].mean(), rel=1e-6)
    np.testing.assert_allclose(
        rows["summation_diameter_deg"], found["summation_px"].ravel() * 2 / 35, rtol=1e-6
    )
    assert curves.groupby("neuron")["response"].max().eq(1).all()
    assert curves["diameter_deg"].min() == 0


def test_statistics_of_the_experiments(experiments):
    files, n_networks, n_neurons, kind, path = experiments
    step("tables.burg2021_insilico_statistics")(
        cross_orientation=files,
        size_tuning=path / "sizes.npz",
        statistics=path / "statistics.csv",
        roles=["specific", "cnn", "subunit"],
        control="subunit",
        size_role="specific",
        thresholds={"inhibited_from": 0.1, "suppressed_from": 0.1},
        pixels_per_degree=35.0,
    )
    table = read_csv(path / "statistics.csv").set_index(["role", "statistic"])
    share = table.loc[("specific", "fraction_inhibited")]
    assert share["value"] == pytest.approx(int(0.5 * n_neurons) / n_neurons, abs=1e-6)
    assert share["n"] == n_networks
    gain = table.loc[("specific", "inhibition_index_minus_subunit")]
    assert gain["n"] == n_neurons - 1  # the silent neuron has no index
    assert gain["low"] < gain["value"] < gain["high"]
    if n_networks > 1:
        assert share["low"] <= share["value"] <= share["high"]
        assert gain["low"] > 0 and gain["p"] < 1e-6
        assert table.loc[("specific", "fraction_suppressed"), "value"] < 0.02
    else:
        assert np.isnan(share["low"])
    assert set(table["source_kind"]) == {kind}


def test_intervals_of_shares_end_at_all_and_none():
    names = {"dataset": "made_up", "model": "burg2021_divisive_net", "source_kind": "simulated"}
    networks = {name: np.arange(3) for name in ("rank", "seed")}
    index = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.0]])
    arrays = names | networks | {"neuron": np.arange(2), "index": index}
    share, _ = insilico_statistics.inhibition_rows(arrays, "specific", 0.1)
    assert share["low"] < share["value"] == pytest.approx(5 / 6) and share["high"] == 1
    drawn = f_coi.indices_of(arrays, 0.1).iloc[0]
    assert (drawn["share_low"], drawn["share_high"]) == (pytest.approx(100 * share["low"]), 100)
    sizes = {"suppression": index - 0.4, "summation_px": np.ones((3, 2))}
    rows = insilico_statistics.size_rows(names | sizes, "specific", 0.05, 35.0)
    assert [row["high"] for row in rows if row["statistic"] == "fraction_suppressed"] == [1]


def test_models_of_other_neurons_are_not_compared(experiments):
    files, _, n_neurons, _, path = experiments
    arrays = read_npz(files[0])
    write_npz(files[0], **arrays | {"neuron": np.arange(n_neurons) + 1})
    with pytest.raises(ValueError, match="specific and subunit predict other neurons"):
        step("tables.burg2021_insilico_statistics")(
            cross_orientation=files,
            size_tuning=path / "sizes.npz",
            statistics=path / "statistics.csv",
            roles=["specific", "cnn", "subunit"],
            control="subunit",
            size_role="specific",
            thresholds={"inhibited_from": 0.1, "suppressed_from": 0.1},
            pixels_per_degree=35.0,
        )
