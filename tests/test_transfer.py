"""Grids of experiments on scans: subsets, transferred cores, chosen penalties, other models."""

import json

import numpy as np
import pytest
import torch

from recordings import linear_recording
from scan_trainings import CORTEX, IMAGES, MODEL, PENALTY, SCANS, simulate_sets, train, with_values
from v1lib.data_sets import of_recording, open_data_set
from v1lib.models import load_models
from v1lib.penalties import with_penalty
from v1lib.runs import initial_model, plan_runs
from v1lib.search import drawn
from v1lib.splits import SPLIT_CODES
from v1lib.subsets import image_subset, matched_subset


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Folder of the data sets."""
    folder = tmp_path_factory.mktemp("scans")
    simulate_sets(folder)
    return folder


def test_a_grid_counts_combinations_then_replicates_then_initialisations():
    model = MODEL | {"search": {"grid": [IMAGES, PENALTY], "replicates": 3}}
    draws = [drawn(model, seed)[1] for seed in range(13)]
    assert [draw["images"] for draw in draws[:5]] == [10, 20, 10, 20, 10]
    assert [draw["penalty"] for draw in draws[:5]] == [0.1, 0.1, 1.0, 1.0, 0.1]
    assert [draw["replicate"] for draw in draws] == [0] * 4 + [1] * 4 + [2] * 4 + [0]
    assert [draw["initialisation"] for draw in draws] == [0] * 12 + [1]
    entry, _, split_seed = drawn(model, 7)
    assert entry["training"]["subset"]["images"] == 20 and split_seed == 1
    assert entry["params"]["penalties"]["readout"] == 1.0
    assert MODEL["training"]["subset"]["images"] is None


def test_images_of_a_run_are_those_of_the_published_draw(sets):
    scans = open_data_set(sets / "single")
    model = MODEL | {"search": {"grid": [IMAGES], "replicates": 2}}
    scan = scans.together["all"][0].recorded
    for seed, (n, base_seed) in enumerate([(10, 1), (20, 1), (10, 2), (20, 2)]):
        (plan,) = plan_runs(scans, model, [seed])
        (part,) = plan.parts
        drawn_trials = image_subset(scan.trials("train"), n, base_seed=base_seed)
        expected = np.sort(scan.image_index[drawn_trials])
        assert np.flatnonzero(part.split == SPLIT_CODES["train"]).tolist() == expected.tolist()
        for name in ("validation", "test"):
            assert (part.split == SPLIT_CODES[name]).sum() == (scan.split == name).sum()


def test_neurons_of_a_run_are_matched_and_held_out_ones_are_others(sets):
    scans = open_data_set(sets / "matched")
    ids = {group.name: group.recorded.match_id for group in scans.together["all"]}
    kept = with_values(training__subset={"neurons": 3, "matched": True})
    held_out = with_values(training__subset={"neurons": 3, "excluded": 3, "matched": True})
    columns = []
    for model in (kept, held_out):
        (plan,) = plan_runs(scans, model, [0])
        found = {part.name: ids[part.name][part.neuron_index] for part in plan.parts}
        assert len({tuple(sorted(of_scan)) for of_scan in found.values()}) == 1
        columns.append({part.name: part.neuron_index for part in plan.parts})
    expected = matched_subset(ids, 3, base_seed=1)
    for name in ids:
        assert columns[0][name].tolist() == expected[name].tolist()
        assert not set(columns[0][name]) & set(columns[1][name])


def test_shared_features_need_matched_neurons_and_survive_a_checkpoint(sets, tmp_path):
    shared = with_values(params__readout=CORTEX | {"share_features": True})
    with pytest.raises(ValueError, match="match"):
        train(sets / "matched", tmp_path / "refused", shared)
    shared["training"]["subset"] = {"matched": True}
    members, _, _ = train(sets / "matched", tmp_path / "shared", shared)
    (network,) = load_models(tmp_path / "shared" / "checkpoint.pt")
    weights = [network.module.readouts[scan].features.unscaled() for scan in SCANS["matched"]]
    ids = [np.array(part["match_id"]) for part in members[0]["parts"]]
    assert torch.equal(weights[0][np.argsort(ids[0])], weights[1][np.argsort(ids[1])])


def test_a_transferred_core_keeps_its_weights_and_adapts_its_statistics(sets, tmp_path):
    model = MODEL | {"search": {"grid": [IMAGES], "replicates": 2}}
    cores, records, _ = train(sets / "matched", tmp_path / "cores", model, seeds=range(4))
    choice = {"dataset": "matched", "model": "model", "of": {"images": 20}, "same": ["replicate"]}
    target = with_values(model, params__frozen=True) | {"core": choice}
    files = [tmp_path / "cores" / "checkpoint.pt"]
    members, _, _ = train(sets / "single", tmp_path / "out", target, seeds=range(4), cores=files)
    for member, source in zip(members, [1, 1, 3, 3], strict=True):  # its replicate, 20 images
        for name, value in cores[source]["state_dict"].items():
            if name.startswith("core."):
                same = torch.equal(value, member["state_dict"][name])
                assert same == ("running" not in name), name
    best = choice | {"of": {}, "same": []}
    members, _, _ = train(
        sets / "single", tmp_path / "best", target | {"core": best}, seeds=[0], cores=files
    )
    first = max(range(4), key=lambda seed: records[seed]["best_validation_correlation"])
    name = "core.layers.0.conv.weight"
    assert torch.equal(members[0]["state_dict"][name], cores[first]["state_dict"][name])
    with pytest.raises(ValueError, match="no trained core of model on matched has"):
        wrong = choice | {"of": {"images": 30}}
        train(sets / "single", tmp_path / "no", target | {"core": wrong}, cores=files)
    with pytest.raises(ValueError, match=r"core.same: 'replicates' is no value"):
        wrong = choice | {"same": ["replicates"]}
        train(sets / "single", tmp_path / "no", target | {"core": wrong}, cores=files)
    with pytest.raises(ValueError, match="does not fit"):
        wide = with_values(target, params__core__filters=6)
        train(sets / "single", tmp_path / "no", wide, cores=files)


def test_chosen_penalties_reach_the_runs_they_were_chosen_for(sets, tmp_path):
    tuned = tmp_path / "chosen.json"
    tuned.write_text(json.dumps([{"images": n, "penalty": n / 7} for n in (10, 20)]))
    model = MODEL | {
        "search": {"grid": [IMAGES]},
        "known_penalties": [{"images": 20, "penalty": 5}],
    }
    _, records, _ = train(sets / "single", tmp_path / "out", model, seeds=[0, 1], tuned=[tuned])
    found = [record["params"]["penalties"]["readout"] for record in records]
    assert found == [10 / 7, 5]
    with pytest.raises(ValueError, match="no penalty of the readout was chosen for"):
        with_penalty(MODEL["params"], {"images": 30}, [{"images": 20, "penalty": 5}])


def test_biases_start_at_the_means_of_a_first_batch(sets):
    scans = open_data_set(sets / "single")
    (plan,) = plan_runs(scans, with_values(training__batch_size=40), [0])
    network = initial_model(scans, plan)  # a batch of all 40 training trials
    scan = scans.together["all"][0].recorded
    expected = scan.mean_response(scan.trials("train"))
    np.testing.assert_allclose(network.readouts[scan.name].bias.detach(), expected, rtol=1e-5)


def test_models_of_other_papers_learn_a_scan_and_refuse_several(sets, tmp_path):
    model = {
        "build": "kindel2019.ln",
        "params": {},
        "training": {
            "split": "recording",
            "optimiser": "sgd",
            "learning_rate": 1e-4,
            "batch_size": 10,
            "max_steps": 20,
            "loss": "mse",
            "evaluate_every": 10,
            "evaluate_offset": 0,
        },
    }
    _, (record,), history = train(sets / "single", tmp_path / "one", model)
    assert record["status"] == "ok" and history["validation_loss"].notna().all()
    (network,) = load_models(tmp_path / "one" / "checkpoint.pt")
    assert network.respond(np.zeros((2, 1, 24, 32)), "8-1-1-0").shape[0] == 2
    with pytest.raises(ValueError, match="one readout for one scan"):
        train(sets / "matched", tmp_path / "two", model)


def test_models_of_this_paper_learn_a_recording(tmp_path):
    recording = linear_recording(size=13)
    recording.save(tmp_path / "recording.npz")
    free = {"kind": "gaussian", "covariance": "full", "init_sigma": 0.3, "init_range": 0.5}
    split = {"train_fraction": 0.6, "validation_fraction": 0.2}
    model = with_values(params__readout=free, training__split=split, training__max_epochs=2)
    _, records, _ = train(tmp_path / "recording.npz", tmp_path / "out", model)
    assert [record["status"] for record in records] == ["ok", "ok"]
    networks = load_models(tmp_path / "out" / "checkpoint.pt")
    for network, session in zip(networks, recording.session_names, strict=True):
        predicted = network.respond(recording.stimuli)
        assert predicted.shape[1] == len(recording.neurons_of(session))
    with pytest.raises(ValueError, match="retinotopy needs the neurons' positions"):
        data = of_recording(recording)
        initial_model(data, plan_runs(data, with_values(training__split=split), [0])[0])
