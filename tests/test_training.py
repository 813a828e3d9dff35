"""The trainer: what it learns, selects, records, and how it survives."""

import json
import os
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

from recordings import SMALL_CNN, linear_recording
from train_responses import main as train_responses
from v1lib.correlation import correlation
from v1lib.data_sets import of_recording
from v1lib.device import choose_device
from v1lib.losses import mean_squared_error
from v1lib.models import load_models
from v1lib.protocol import Protocol
from v1lib.runs import initial_model, plan_runs
from v1lib.samples import samples_of
from v1lib.splits import SPLIT_CODES
from v1lib.training import fit
from v1lib.training_run import Run
from v1lib.training_state import ResumeFile

DATA = of_recording(linear_recording())
SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
COMPUTE = {"device": "cpu", "stacked": False, "seconds_between_saves": 1e9, "resident_gb": 1.0}


def with_training(model, **changes):
    return model | {"training": model["training"] | changes}


def arguments(folder, model, seeds=(0,), **compute):
    if not (folder / "recording.npz").exists():
        linear_recording().save(folder / "recording.npz")
    return {
        "recording": folder / "recording.npz",
        "cores": [],
        "tuned": [],
        "checkpoint": folder / "out" / "checkpoint.pt",
        "history": folder / "out" / "history.csv",
        "record": folder / "out" / "run.json",
        "name": "model",
        "model": model,
        "seeds": list(seeds),
        "compute": COMPUTE | compute,
        "threads": 1,
        "gpu": 0,
    }


def train(folder, model, seeds=(0,), **compute):
    train_responses(**arguments(folder, model, seeds, **compute))
    checkpoint = torch.load(folder / "out" / "checkpoint.pt", weights_only=True)
    records = json.loads((folder / "out" / "run.json").read_text())
    history = pd.read_csv(folder / "out" / "history.csv", dtype={"session": str})
    return checkpoint["members"], records, history


def same_weights(first, second):
    return all(
        a["state_dict"].keys() == b["state_dict"].keys()
        and all(torch.equal(v, b["state_dict"][k]) for k, v in a["state_dict"].items())
        for a, b in zip(first, second, strict=True)
    )


def test_a_planted_linear_neuron_is_learned_and_a_constant_one_is_not(tmp_path):
    recording = linear_recording(n_images=300, size=5)
    recording.save(tmp_path / "recording.npz")
    model = deepcopy(with_training(SMALL_CNN, optimiser="adam", learning_rate=2e-3, max_steps=600))
    model["params"] |= {
        "conv1": {"filters": 8, "kernel": 2, "pool_kernel": 1, "pool_stride": 1},
        "num_conv_layers": 1,
        "hidden_units": 40,
        "dropout_keep": 1.0,
        "output_nonlinearity": "none",  # a rectified output may start dead
    }
    train(tmp_path, model)
    plans = plan_runs(of_recording(recording), model, [0])
    networks = load_models(tmp_path / "out" / "checkpoint.pt")
    for plan, network in zip(plans, networks, strict=True):
        test = plan.split == SPLIT_CODES["test"]
        prediction = network.respond(recording.stimuli[test])
        measured = recording.responses[test][:, network.neuron_index]
        r = correlation(prediction, measured)
        assert (r[:2] > 0.8).all()
        assert not r[2] > 0.3
        assert (correlation(prediction, measured[::-1])[:2] < 0.5).all()


def test_same_seed_same_weights_other_seed_other_weights(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, _, _ = train(tmp_path / "a", SMALL_CNN, seeds=[0, 1])
    second, _, _ = train(tmp_path / "b", SMALL_CNN, seeds=[0, 1])
    assert same_weights(first, second)
    assert not same_weights(first[:2], first[2:])


def test_a_run_does_not_depend_on_its_block(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    block, _, _ = train(tmp_path / "a", SMALL_CNN, seeds=[0, 1])
    alone, _, _ = train(tmp_path / "b", SMALL_CNN, seeds=[1])
    assert same_weights(block[2:], alone)


def test_evaluations_follow_the_steps_of_the_paper():
    paper = {"optimiser": "sgd", "learning_rate": 1e-4, "batch_size": 50, "loss": "mse"}
    steps = Protocol(**paper, max_steps=60000, evaluate_every=200, evaluate_offset=1)
    assert len(steps.evaluation_steps(1)) == 301
    assert steps.evaluation_steps(1)[:3] == [1, 201, 401]
    assert steps.evaluation_steps(1)[-2:] == [59801, 59999]
    lnln = Protocol(**paper, max_steps=35000, evaluate_every=500, evaluate_offset=0)
    assert lnln.evaluation_steps(1)[:3] == [0, 1, 500]


def test_the_weights_kept_have_the_smallest_validation_loss(tmp_path):
    members, records, history = train(tmp_path, with_training(SMALL_CNN, learning_rate=5e-4))
    recording = linear_recording()
    rates = torch.as_tensor(recording.mean_over_trials(), dtype=torch.float32)
    for member, record, network in zip(
        members, records, load_models(tmp_path / "out" / "checkpoint.pt"), strict=True
    ):
        rows = history[history.session == member["session"]].reset_index(drop=True)
        best = rows.loc[rows.validation_loss.idxmin()]
        assert record["best_step"] == best.step
        validation = np.array(member["parts"][0]["split"]) == SPLIT_CODES["validation"]
        prediction = torch.as_tensor(network.respond(recording.stimuli[validation]))
        loss = mean_squared_error(prediction, rates[validation][:, network.neuron_index])
        assert loss.item() == pytest.approx(best.validation_loss, rel=1e-5)


def test_stacked_training_agrees_with_one_after_the_other(tmp_path):
    # Sessions of different size are padded; without dropout nothing but rounding may differ.
    model = deepcopy(SMALL_CNN)
    model["params"]["dropout_keep"] = 1.0
    sessions = ("01",) * 2 + ("02",) * 4
    recording = linear_recording(sessions=sessions, n_neurons=1)
    results = {}
    for stacked in (False, True):
        folder = tmp_path / str(stacked)
        folder.mkdir()
        recording.save(folder / "recording.npz")
        results[stacked] = train(folder, model, seeds=[0, 1], stacked=stacked)
    for one, other in zip(results[False][0], results[True][0], strict=True):
        for name, value in one["state_dict"].items():
            torch.testing.assert_close(other["state_dict"][name], value, rtol=1e-3, atol=1e-5)
    losses = [result[2].validation_loss.to_numpy() for result in results.values()]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert [r["networks_in_stack"] for r in results[True][1]] == [4] * 4


def test_stacked_networks_draw_their_own_dropout(tmp_path):
    members, _, _ = train(tmp_path, SMALL_CNN, seeds=[0, 1], stacked=True)
    assert not same_weights(members[:2], members[2:])


def test_a_non_finite_loss_ends_that_run_alone(tmp_path):
    recording = linear_recording()
    recording.responses[:, recording.neurons_of("01")] *= 1e18
    recording.save(tmp_path / "recording.npz")
    members, records, history = train(tmp_path, with_training(SMALL_CNN, learning_rate=1e-3))
    assert [record["status"] for record in records] == ["failed", "ok"]
    assert "training loss is" in records[0]["reason"]
    assert members[0]["state_dict"] is None
    assert [network.session for network in load_models(tmp_path / "out" / "checkpoint.pt")] == [
        "02"
    ]
    assert len(history[history.session == "02"]) == 11


def test_missing_responses_do_not_count():
    prediction = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    response = torch.tensor([[0.0, torch.nan], [3.0, 2.0]])
    assert mean_squared_error(prediction, response).item() == pytest.approx((1 + 0 + 4) / 3)


def test_a_neuron_without_any_response_is_refused_by_name(tmp_path):
    recording = linear_recording()
    recording.responses[:, 4] = np.nan
    recording.save(tmp_path / "recording.npz")
    with pytest.raises(ValueError, match="data set linear, session 02: neuron 4 has no recorded"):
        train(tmp_path, SMALL_CNN)
    assert not (tmp_path / "out").exists()


def test_records_hold_what_decided_a_run(tmp_path):
    _, records, _ = train(tmp_path, SMALL_CNN)
    record = records[0]
    assert record["params"] == SMALL_CNN["params"]
    assert record["training"]["learning_rate"] == 1e-4
    assert len(record["data_sha256"]) == 64
    assert record["versions"]["torch"] == torch.__version__
    assert (record["device"], record["threads"], record["steps"]) == ("cpu", 1, 200)
    assert record["wall_seconds"] > 0
    assert record["peak_memory_mb"] > 10
    assert record["stopped_early"] is False
    assert set(record["seeds"]) == {"split", "initialisation", "batches", "noise"}


def test_a_search_draws_points_then_splits(tmp_path):
    points = [
        {"factor": "hidden_units", "value": n, "set": {"params": {"hidden_units": n}}}
        for n in (6, 12)
    ]
    members, records, _ = train(
        tmp_path, SMALL_CNN | {"search": {"points": points}}, seeds=[0, 1, 2, 3]
    )
    assert [m["params"]["hidden_units"] for m in members[::2]] == [6, 12, 6, 12]
    assert [r["draw"]["value"] for r in records[::2]] == [6, 12, 6, 12]
    splits = [m["parts"][0]["split"] for m in members[::2]]
    assert splits[0] == splits[1] != splits[2] == splits[3]


def test_a_search_cannot_set_what_the_entry_lacks():
    point = {"factor": "x", "value": 1, "set": {"params": {"hiden_units": 1}}}
    with pytest.raises(ValueError, match="the model entry has no value 'hiden_units'"):
        plan_runs(
            of_recording(linear_recording()), SMALL_CNN | {"search": {"points": [point]}}, [0]
        )


# ---- interruption -------------------------------------------------------------------------------


def start(options, folder):
    words = []
    for name, value in options.items():
        text = str(value) if isinstance(value, str | Path) else json.dumps(value)
        words += [f"--{name}"] if value == [] else [f"--{name}", text]
    return subprocess.Popen(
        [sys.executable, SCRIPTS, "train_responses", *words],
        stderr=(folder / "log").open("a"),
    )


@pytest.mark.parametrize("stacked", [False, True])
def test_a_killed_training_ends_where_an_unbroken_one_does(tmp_path, stacked):
    model = with_training(SMALL_CNN, max_steps=1600)
    for name in ("broken", "unbroken"):
        (tmp_path / name).mkdir()
    unbroken, _, unbroken_history = train(
        tmp_path / "unbroken", model, seeds=[0, 1], stacked=stacked
    )
    folder = tmp_path / "broken"
    compute = {"stacked": stacked, "seconds_between_saves": 0}
    options = arguments(folder, model, seeds=[0, 1], **compute)
    process = start(options, folder)
    state = folder / "out" / "checkpoint.resume.previous"
    deadline = time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "out" / "checkpoint.pt").exists()

    broken, _, broken_history = train(folder, model, seeds=[0, 1], **compute)
    assert same_weights(unbroken, broken)
    pd.testing.assert_frame_equal(unbroken_history, broken_history)
    assert not list((folder / "out").glob("checkpoint.resume*"))


def interrupted(tmp_path, monkeypatch, after):
    """Runs with a resume file whose training stopped after some saves; and the unbroken weights."""

    def fresh():
        data = of_recording(linear_recording())
        samples = samples_of(data, "images")
        return [
            Run(plan, initial_model(data, plan), [samples[plan.session]])
            for plan in plan_runs(data, SMALL_CNN, [0])
        ]

    def run(resume):
        runs = fresh()
        fit(
            runs,
            device=torch.device("cpu"),
            stacked=False,
            resume=resume,
            seconds_between_saves=0,
        )
        return [run.result.state_dict for run in runs]

    whole = run(ResumeFile(tmp_path / "whole", {}))
    saves = []
    save = ResumeFile.save

    def save_then_stop(self, state):
        save(self, state)
        saves.append(state)
        if len(saves) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(ResumeFile, "save", save_then_stop)
    with pytest.raises(KeyboardInterrupt):
        run(ResumeFile(tmp_path / "state", {}))
    monkeypatch.undo()
    return run, whole


def equal(first, second):
    return all(torch.equal(a[k], b[k]) for a, b in zip(first, second, strict=True) for k in a)


@pytest.mark.parametrize("damage", ["none", "truncated", "garbage", "absent"])
def test_a_damaged_state_costs_one_interval_at_most(tmp_path, monkeypatch, caplog, damage):
    run, whole = interrupted(tmp_path, monkeypatch, after=14)
    path = tmp_path / "state"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "garbage":
        path.write_bytes(b"not a checkpoint")
    elif damage == "absent":
        path.unlink()
    with caplog.at_level("INFO"):
        assert equal(run(ResumeFile(path, {})), whole)
    source = path if damage == "none" else path.with_name("state.previous")
    assert f"resuming from {source}" in caplog.text


def test_a_state_of_other_settings_is_not_used(tmp_path, monkeypatch, caplog):
    run, whole = interrupted(tmp_path, monkeypatch, after=3)
    assert equal(run(ResumeFile(tmp_path / "state", {"learning_rate": 1})), whole)
    assert "belongs to other settings" in caplog.text


# ---- devices ------------------------------------------------------------------------------------


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_demanded_gpu_that_is_not_there_is_an_error():
    with pytest.raises(RuntimeError, match="device: cuda, but no CUDA GPU"):
        choose_device("cuda", 1, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_auto_falls_back_to_the_cpu_and_says_so(caplog):
    with caplog.at_level("INFO"):
        assert choose_device("auto", 1, 1).type == "cpu"
    assert "no GPU found: training on the CPU" in caplog.text


def test_cublas_is_told_to_be_deterministic_unless_the_user_decided(monkeypatch):
    """Before PyTorch first asks for a GPU, for cuBLAS reads the variable once."""
    name, asked = "CUBLAS_WORKSPACE_CONFIG", []

    def is_available():
        asked.append(os.environ.get(name))
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setenv(name, ":16:8")
    choose_device("cpu", 0, 1)
    monkeypatch.delenv(name)
    choose_device("cpu", 0, 1)
    assert asked == [":16:8", ":4096:8"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_agrees_with_the_cpu(tmp_path):
    model = deepcopy(SMALL_CNN)
    model["params"]["dropout_keep"] = 1.0
    losses = []
    for device, stacked in (("cpu", False), ("cuda", True)):
        (tmp_path / device).mkdir()
        options = arguments(tmp_path / device, model, [0, 1], device=device, stacked=stacked)
        train_responses(**options | {"gpu": 1})
        losses.append(pd.read_csv(options["history"]).validation_loss)
    np.testing.assert_allclose(*losses, rtol=1e-3)
