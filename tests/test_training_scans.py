"""One trainer for recordings and scans: round robin, schedule, streaming, stacking, resuming."""

import json
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scan_trainings import (
    IMAGES,
    SCANS,
    assert_same,
    exact,
    options,
    simulate_sets,
    train,
    with_values,
)
from v1lib.batches import Batches
from v1lib.data_sets import open_data_set
from v1lib.early_stopping import EarlyStopping, Schedule
from v1lib.models import load_models
from v1lib.training_state import ResumeFile

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Folder of the data sets."""
    folder = tmp_path_factory.mktemp("scans")
    simulate_sets(folder)
    return folder


def test_all_scans_train_one_network_and_the_best_state_is_kept(sets, tmp_path):
    members, (record,), history = train(sets / "matched", tmp_path)
    assert record["status"] == "ok" and record["session"] == "all"
    assert [part["name"] for part in members[0]["parts"]] == SCANS["matched"]
    assert history["step"].tolist() == [-1, 2, 5, 8, 11]  # 40 images are 3 batches of 16
    assert np.isnan(history["train_loss"][0]) and history["train_loss"][1:].notna().all()
    best = history["validation_correlation"].idxmax()
    assert record["best_step"] == history["step"][best]
    (network,) = load_models(tmp_path / "checkpoint.pt")
    groups = open_data_set(sets / "matched").together["all"]
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
    assert falls == [8, 14]  # lowered at the end of epochs 7 and 13


def test_streamed_data_give_the_same_networks(sets, tmp_path):
    resident, _, _ = train(sets / "matched", tmp_path / "resident", seeds=[0, 1])
    streamed, _, _ = train(sets / "matched", tmp_path / "streamed", seeds=[0, 1], resident_gb=1e-9)
    assert_same(resident, streamed, **exact())


@pytest.mark.parametrize("resident_gb", [1.0, 1e-9])
def test_stacked_networks_agree_with_those_trained_alone(sets, tmp_path, resident_gb):
    without_noise = {"kind": "factorised"}
    model = with_values(params__readout=without_noise, training__early_stopping=None)
    model["training"]["max_epochs"] = 2
    model["search"] = {"grid": [IMAGES], "replicates": 2}
    alone, _, _ = train(sets / "single", tmp_path / "alone", model, seeds=range(4))
    together, records, _ = train(
        sets / "single",
        tmp_path / "stacked",
        model,
        seeds=range(4),
        stacked=True,
        resident_gb=resident_gb,
    )
    assert {record["networks_in_stack"] for record in records} == {2}  # of one number of images
    assert_same(alone, together, rtol=1e-3, atol=1e-5)


def test_runs_shorter_than_the_interval_are_saved_between_them(sets, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(ResumeFile, "save", lambda self, state: saved.append(state))
    ticks = count()  # each look at the clock is a second
    monkeypatch.setattr("v1lib.training.time.monotonic", lambda: float(next(ticks)))
    train(sets / "single", tmp_path, seeds=[0, 1, 2], seconds_between_saves=50)
    finished = [sum(run["status"] == "ok" for run in state["runs"]) for state in saved]
    assert finished and max(finished) >= 1


def test_a_killed_training_ends_where_an_unbroken_one_does(sets, tmp_path):
    model = with_values(training__max_epochs=60, training__early_stopping__patience=60)
    unbroken, _, history = train(sets / "matched", tmp_path / "unbroken", model, seeds=[0, 1])
    given = options(
        sets / "matched", tmp_path / "broken", model, seeds=[0, 1], seconds_between_saves=0
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
    broken, _, broken_history = train(sets / "matched", tmp_path / "broken", model, seeds=[0, 1])
    assert_same(unbroken, broken, **exact())
    pd.testing.assert_frame_equal(history, broken_history)
