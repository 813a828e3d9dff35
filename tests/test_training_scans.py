"""One trainer for recordings and scans: round robin, subsets, transfer, streaming, resuming."""

import json
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import preprocess_lurz2020
import simulate_lurz2020
from made_up_lurz2020 import changed
from recordings import linear_recording
from train_responses import main as train_responses
from v1lib.batches import Batches
from v1lib.data_sets import of_recording, open_data_set
from v1lib.early_stopping import EarlyStopping, Schedule
from v1lib.models import load_models
from v1lib.penalties import with_penalty
from v1lib.runs import initial_model, plan_runs
from v1lib.search import drawn
from v1lib.splits import SPLIT_CODES
from v1lib.subsets import image_subset, matched_subset

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
COMPUTE = {"device": "cpu", "stacked": False, "seconds_between_saves": 1e9, "resident_gb": 1.0}
SCANS = {"matched": ["7-1-1-0", "7-1-2-0"], "single": ["8-1-1-0"]}
CORTEX = {
    "kind": "gaussian",
    "covariance": "full",
    "init_sigma": 0.3,
    "retinotopy": {"dimensions": 2, "init_scale": 0.2},
}
MODEL = {
    "build": "lurz2021.convolutional",
    "params": {
        "core": {
            "filters": 4,
            "layers": 2,
            "input_kernel": 7,
            "hidden_kernel": 5,
            "momentum": 0.9,
        },
        "readout": CORTEX,
        "penalties": {"smoothness": 1.0, "readout": 0.1},
        "frozen": False,
    },
    "training": {
        "split": "recording",
        "subset": {"images": None, "neurons": None, "excluded": 0, "matched": False},
        "optimiser": "corrected_adam",
        "learning_rate": 0.005,
        "batch_size": 16,
        "max_epochs": 4,
        "loss": "poisson_sum",
        "scaled": True,
        "samples": "trials",
        "batches": "passes",
        "evaluated": ["validation"],
        "objective": "correlation",
        "early_stopping": {
            "patience": 2,
            "stages": 2,
            "tolerance": 1e-6,
            "restores_optimiser": False,
            "plateau": {"factor": 0.3, "patience": 2, "min_rate": 1e-4},
        },
    },
}
IMAGES = {"name": "images", "key": "training.subset.images", "values": [10, 20]}
PENALTY = {"name": "penalty", "key": "params.penalties.readout", "values": [0.1, 1.0]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders of two data sets of simulated scans."""
    folder = tmp_path_factory.mktemp("scans")
    archive, truth = folder / "lurz2020.zip", folder / "truth.npz"
    simulate_lurz2020.main(archive=archive, truth=truth, settings=changed())
    for name, scans in SCANS.items():
        preprocess_lurz2020.main(
            archives=[archive],
            scans=folder / name,
            source_kind="simulated",
            dataset=name,
            settings={"scans": scans, "counts": {}, "size_px": [24, 32], "downsampling": 1},
        )
    return folder


def with_values(model=MODEL, **values):
    """The model entry with values replaced at keys such as ``training__max_epochs``."""
    model = deepcopy(model)
    for key, value in values.items():
        *path, last = key.split("__")
        inner = model
        for name in path:
            inner = inner[name]
        inner[last] = value
    return model


def options(recording, folder, model, seeds=(0,), cores=(), tuned=(), **compute):
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "recording": recording,
        "cores": list(cores),
        "tuned": list(tuned),
        "checkpoint": folder / "checkpoint.pt",
        "history": folder / "history.csv",
        "record": folder / "run.json",
        "name": "model",
        "model": model,
        "seeds": list(seeds),
        "compute": COMPUTE | compute,
        "threads": 1,
        "gpu": 0,
    }


def train(recording, folder, model=MODEL, **more):
    train_responses(**options(recording, folder, model, **more))
    members = torch.load(folder / "checkpoint.pt", weights_only=True)["members"]
    history = pd.read_csv(folder / "history.csv")
    return members, json.loads((folder / "run.json").read_text()), history


def assert_same(first, second, **tolerance):
    for a, b in zip(first, second, strict=True):
        for name, value in a["state_dict"].items():
            torch.testing.assert_close(value, b["state_dict"][name], msg=name, **tolerance)


def exact():
    return {"rtol": 0, "atol": 0}


def test_all_scans_train_one_network_and_the_best_state_is_kept(data, tmp_path):
    members, (record,), history = train(data / "matched", tmp_path)
    assert record["status"] == "ok" and record["session"] == "all"
    assert [part["name"] for part in members[0]["parts"]] == SCANS["matched"]
    assert history["step"].tolist() == [-1, 2, 5, 8, 11]  # 40 images are 3 batches of 16
    assert np.isnan(history["train_loss"][0]) and history["train_loss"][1:].notna().all()
    best = history["validation_correlation"].idxmax()
    assert record["best_step"] == history["step"][best]
    (network,) = load_models(tmp_path / "checkpoint.pt")
    groups = open_data_set(data / "matched").together["all"]
    r = []
    for group in groups:
        trials = group.recorded.trials("validation")
        shown = group.recorded.stimuli[group.recorded.image_index[trials]]
        predicted, measured = network.respond(shown, group.name), group.recorded.responses[trials]
        r += [np.corrcoef(predicted.T, measured.T).diagonal(len(measured.T))]
    found = np.nan_to_num(np.concatenate(r)).mean()
    assert found == pytest.approx(record["best_validation_correlation"], abs=1e-4)


def test_the_largest_scan_is_passed_once_and_shorter_ones_begin_again():
    batches = Batches(torch.arange(10), size=4, order="passes", seed=0)
    assert batches.n_per_pass == 3
    epoch = batches.draw(5)
    assert [len(batch) for batch in epoch] == [4, 4, 2, 4, 4]
    assert sorted(torch.cat(epoch[:3]).tolist()) == list(range(10))
    assert sorted(torch.cat(batches.draw(3)).tolist()) == list(range(10))  # not the rest


@pytest.mark.parametrize("number", range(3))
def test_stages_and_learning_rates_follow_the_recorded_ones(golden, number):
    case = {
        key.removeprefix(f"cfg{number}_"): value
        for key, value in golden("lurz2021/training_control.npz").items()
    }
    stopping = EarlyStopping(
        patience=int(case["patience"]),
        stages=int(case["lr_decay_steps"]),
        tolerance=float(case["tolerance"]),
        restores_optimiser=False,
        plateau={
            "factor": float(case["lr_decay_factor"]),
            "patience": int(case["patience"]),
            "min_rate": float(case["min_lr"]),
        },
    )
    schedule = Schedule(float(case["lr_init"]), stopping)
    rates, entering, best = [], [], None
    for epoch in range(int(case["max_iter"]) + 1):
        if epoch == 5:  # as if the job had been killed here
            state, schedule = schedule.state(), Schedule(float(case["lr_init"]), stopping)
            schedule.restore(state)
        verdict = schedule.judge(epoch - 1, -float(case["scores_of_state_k"][epoch]))
        best = epoch if verdict == "better" else best
        if verdict == "stop" or epoch == int(case["max_iter"]):
            break
        rates.append(schedule.learning_rate)
        entering.append(best if verdict == "restore" else epoch)
    np.testing.assert_allclose(rates, case["learning_rate_used_in_epoch"], rtol=1e-12)
    assert entering == case["state_entering_epoch"].tolist()
    assert best == int(case["state_finally_restored"])


def test_without_any_progress_a_run_lasts_its_rounds():
    plateau = {"factor": 0.3, "patience": 5, "min_rate": 1e-4}
    schedule = Schedule(0.005, EarlyStopping(5, 3, tolerance=1e-6, plateau=plateau))
    schedule.judge(-1, 0.5)
    rates, verdict = [], ""
    while verdict != "stop":
        rates.append(schedule.learning_rate)
        verdict = schedule.judge(len(rates), 0.5)
    assert len(rates) == 15
    falls = [epoch + 1 for epoch in range(1, 15) if rates[epoch] < rates[epoch - 1]]
    assert falls == [7, 13]


def test_streamed_data_give_the_same_networks(data, tmp_path):
    resident, _, _ = train(data / "matched", tmp_path / "resident", seeds=[0, 1])
    streamed, _, _ = train(data / "matched", tmp_path / "streamed", seeds=[0, 1], resident_gb=1e-9)
    assert_same(resident, streamed, **exact())


@pytest.mark.parametrize("resident_gb", [1.0, 1e-9])
def test_stacked_networks_agree_with_those_trained_alone(data, tmp_path, resident_gb):
    without_noise = {"kind": "factorised"}
    model = with_values(params__readout=without_noise, training__early_stopping=None)
    model["training"]["max_epochs"] = 2
    model["search"] = {"grid": [IMAGES], "replicates": 2}
    alone, _, _ = train(data / "single", tmp_path / "alone", model, seeds=range(4))
    together, records, _ = train(
        data / "single",
        tmp_path / "stacked",
        model,
        seeds=range(4),
        stacked=True,
        resident_gb=resident_gb,
    )
    assert {record["networks_in_stack"] for record in records} == {2}  # of one number of images
    assert_same(alone, together, rtol=1e-3, atol=1e-5)


def test_a_killed_training_ends_where_an_unbroken_one_does(data, tmp_path):
    model = with_values(training__max_epochs=60, training__early_stopping__patience=60)
    unbroken, _, history = train(data / "matched", tmp_path / "unbroken", model, seeds=[0, 1])
    given = options(
        data / "matched", tmp_path / "broken", model, seeds=[0, 1], seconds_between_saves=0
    )
    words = []
    for name, value in given.items():
        text = str(value) if isinstance(value, str | Path) else json.dumps(value)
        words += [f"--{name}"] if value == [] else [f"--{name}", text]
    process = subprocess.Popen(
        [sys.executable, SCRIPTS, "train_responses", *words],
        stderr=(tmp_path / "broken" / "log").open("w"),
    )
    deadline = time.monotonic() + 120
    state = tmp_path / "broken" / "checkpoint.resume.previous"
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    broken, _, broken_history = train(data / "matched", tmp_path / "broken", model, seeds=[0, 1])
    assert_same(unbroken, broken, **exact())
    pd.testing.assert_frame_equal(history, broken_history)


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


def test_images_of_a_run_are_those_of_the_published_draw(data):
    scans = open_data_set(data / "single")
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


def test_neurons_of_a_run_are_matched_and_held_out_ones_are_others(data):
    scans = open_data_set(data / "matched")
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


def test_shared_features_need_matched_neurons_and_survive_a_checkpoint(data, tmp_path):
    shared = with_values(params__readout=CORTEX | {"share_features": True})
    with pytest.raises(ValueError, match="match"):
        train(data / "matched", tmp_path / "refused", shared)
    shared["training"]["subset"] = {"matched": True}
    members, _, _ = train(data / "matched", tmp_path / "shared", shared)
    (network,) = load_models(tmp_path / "shared" / "checkpoint.pt")
    weights = [network.module.readouts[scan].features.unscaled() for scan in SCANS["matched"]]
    ids = [np.array(part["match_id"]) for part in members[0]["parts"]]
    assert torch.equal(weights[0][np.argsort(ids[0])], weights[1][np.argsort(ids[1])])


def test_a_transferred_core_keeps_its_weights_and_adapts_its_statistics(data, tmp_path):
    model = MODEL | {"search": {"grid": [IMAGES], "replicates": 2}}
    cores, records, _ = train(data / "matched", tmp_path / "cores", model, seeds=range(4))
    choice = {"dataset": "matched", "model": "model", "of": {"images": 20}, "same": ["replicate"]}
    target = with_values(model, params__frozen=True) | {"core": choice}
    files = [tmp_path / "cores" / "checkpoint.pt"]
    members, _, _ = train(data / "single", tmp_path / "out", target, seeds=range(4), cores=files)
    for member, source in zip(members, [1, 1, 3, 3], strict=True):  # its replicate, 20 images
        for name, value in cores[source]["state_dict"].items():
            if name.startswith("core."):
                same = torch.equal(value, member["state_dict"][name])
                assert same == ("running" not in name), name
    best = choice | {"of": {}, "same": []}
    members, _, _ = train(
        data / "single", tmp_path / "best", target | {"core": best}, seeds=[0], cores=files
    )
    first = max(range(4), key=lambda seed: records[seed]["best_validation_correlation"])
    name = "core.layers.0.conv.weight"
    assert torch.equal(members[0]["state_dict"][name], cores[first]["state_dict"][name])
    with pytest.raises(ValueError, match="no trained core of model on matched has"):
        wrong = choice | {"of": {"images": 30}}
        train(data / "single", tmp_path / "no", target | {"core": wrong}, cores=files)
    with pytest.raises(ValueError, match="does not fit"):
        wide = with_values(target, params__core__filters=6)
        train(data / "single", tmp_path / "no", wide, cores=files)


def test_chosen_penalties_reach_the_runs_they_were_chosen_for(data, tmp_path):
    tuned = tmp_path / "chosen.json"
    tuned.write_text(json.dumps([{"images": n, "penalty": n / 7} for n in (10, 20)]))
    model = MODEL | {
        "search": {"grid": [IMAGES]},
        "known_penalties": [{"images": 20, "penalty": 5}],
    }
    _, records, _ = train(data / "single", tmp_path / "out", model, seeds=[0, 1], tuned=[tuned])
    found = [record["params"]["penalties"]["readout"] for record in records]
    assert found == [10 / 7, 5]
    with pytest.raises(ValueError, match="no penalty of the readout was chosen for"):
        with_penalty(MODEL["params"], {"images": 30}, [{"images": 20, "penalty": 5}])


def test_biases_start_at_the_means_of_a_first_batch(data):
    scans = open_data_set(data / "single")
    (plan,) = plan_runs(scans, with_values(training__batch_size=40), [0])
    network = initial_model(scans, plan)  # a batch of all 40 training trials
    scan = scans.together["all"][0].recorded
    expected = scan.mean_response(scan.trials("train"))
    np.testing.assert_allclose(network.readouts[scan.name].bias.detach(), expected, rtol=1e-5)


def test_models_of_other_papers_learn_a_scan_and_refuse_several(data, tmp_path):
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
    _, (record,), history = train(data / "single", tmp_path / "one", model)
    assert record["status"] == "ok" and history["validation_loss"].notna().all()
    (network,) = load_models(tmp_path / "one" / "checkpoint.pt")
    assert network.respond(np.zeros((2, 1, 24, 32)), "8-1-1-0").shape[0] == 2
    with pytest.raises(ValueError, match="one readout for one scan"):
        train(data / "matched", tmp_path / "two", model)


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
