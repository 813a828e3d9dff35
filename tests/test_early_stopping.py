"""Patience, falling learning rates and their updates, against the recorded originals."""

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

from recordings import trial_recording
from test_models_burg2021 import TRACES, as_images, measured, network_of, state_of
from train_responses import main as train_responses
from v1lib.batches import Batches
from v1lib.early_stopping import EarlyStopping, Plateau, Schedule, Verdict
from v1lib.losses import poisson
from v1lib.optimisers import SGD, Adam
from v1lib.protocol import Protocol
from v1lib.search import drawn

COMPUTE = {"device": "cpu", "stacked": False, "seconds_between_saves": 1e9, "resident_gb": 1.0}
SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
PENALTIES = {
    "smoothness": 1e-4,
    "sparsity": [0.0],
    "readout": 1e-4,
    "nonlinearity": 1e-3,
    "normalization": 0.0,
}
POOL = {"average_size": 3, "size": 1, "components": 1, "dilation": 1}
SMALL_NORMALIZATION = {
    "build": "burg2021.divisive_net",
    "params": {"filters": 3, "kernel": 5, "pool": POOL, "specific": True, "penalties": PENALTIES},
    "training": {
        "split": "recording",
        "optimiser": "adam",
        "learning_rate": 1e-2,
        "batch_size": 16,
        "max_steps": 400,
        "loss": "poisson",
        "samples": "trials",
        "batches": "epochs",
        "evaluate_every": 10,
        "evaluate_offset": 9,
        "evaluated": ["validation"],
        "evaluation_batch": 30,
        "early_stopping": {"patience": 2, "stages": 3, "decay": 3.0},
    },
}


@pytest.mark.parametrize("name", TRACES)
def test_adam_follows_the_recorded_updates(golden, name):
    case = golden(f"burg2021/adam_trace_{name}.npz")
    network = network_of(case | {"images": case["images"][0]}, name, prefix="init__").train()
    optimiser = Adam(list(network.parameters()), None)
    totals, losses = [], []
    for step, images in enumerate(case["images"]):
        optimiser_loss = poisson(network(as_images(images)), measured(case, step))
        total = optimiser_loss + network.penalty()
        network.zero_grad()
        total.backward()
        optimiser.step(float(case["learning_rate"]))
        totals.append(float(total.detach()))
        losses.append(float(optimiser_loss.detach()))
    np.testing.assert_allclose(
        losses, case["train_masked_poisson_before_step"], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(totals, case["train_total_loss_before_step"], rtol=1e-5, atol=1e-6)
    final = state_of(case, name, "final__")
    for key, value in network.state_dict().items():
        if key == "normalization.pool" and value.shape[-1] == 1:
            continue
        np.testing.assert_allclose(value, final[key], rtol=1e-3, atol=1e-4, err_msg=key)
    network.eval()
    with torch.no_grad():
        prediction = network(as_images(case["images"][0]))
    np.testing.assert_allclose(
        prediction, case["final_eval_prediction_batch0"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("number", range(3))
def test_stages_end_as_in_the_original(golden, number):
    case = {
        key.removeprefix(f"cfg{number}_"): value
        for key, value in golden("burg2021/training_control.npz").items()
    }
    every, max_steps = int(case["val_steps"]), int(case["max_iter"])
    protocol = Protocol(
        optimiser="adam",
        learning_rate=float(case["initial_learning_rate"]),
        batch_size=256,
        max_steps=max_steps,
        loss="poisson",
        evaluate_every=every,
        evaluate_offset=every - 1,
        early_stopping={
            "patience": int(case["early_stopping_steps"]),
            "stages": int(case["learning_rule_updates"]),
            "decay": 3.0,
        },
    )
    schedule = protocol.schedule(1)
    steps, rates, saved, reloaded = [], [], [], []
    for step, loss in zip(protocol.evaluation_steps(1), case["val_loss_sequence"], strict=False):
        steps.append(step + 1)
        rates.append(schedule.learning_rate)
        verdict = schedule.judge(step, float(loss))
        if verdict == Verdict.BETTER:
            saved.append(step + 1)
        if verdict in (Verdict.RESTORE, Verdict.STOP):
            reloaded.append(step + 1)
        if verdict == Verdict.STOP:
            reloaded.append(step + 1)  # the original reloads once more when it has ended
            break
    assert steps == case["step_at_each_validation"].tolist()
    np.testing.assert_allclose(rates, case["learning_rate_at_each_validation"], rtol=1e-6)
    assert saved == case["steps_where_best_was_saved"].tolist()
    assert reloaded == case["steps_where_best_was_reloaded"].tolist()
    assert steps[-1] == int(case["optimizer_steps_taken"])


def test_a_stage_ends_after_its_steps_at_the_latest():
    schedule = Schedule(1.0, EarlyStopping(patience=10, stages=2, decay=2.0, steps_per_stage=30))
    verdicts = [schedule.judge(step, -step) for step in (9, 19, 29, 39, 49, 59)]
    assert [str(v) for v in verdicts] == ["better", "better", "restore", "better", "better", "stop"]


def test_each_member_of_a_stack_has_its_own_learning_rate_and_state():
    start = torch.randn(2, 3, 4)
    gradients = torch.randn(5, 2, 3, 4)
    for kind in (SGD, Adam):
        stacked = start.clone()
        together = kind([stacked], 2)
        apart = [start[0].clone(), start[1].clone()]
        single = [kind([part], None) for part in apart]
        for gradient in gradients:
            stacked.grad = gradient
            together.step(torch.tensor([0.1, 0.01]))
            for part, optimiser, own, rate in zip(
                apart, single, gradient, (0.1, 0.01), strict=True
            ):
                part.grad = own
                optimiser.step(rate)
        torch.testing.assert_close(stacked, torch.stack(apart))
        kept = together.member(1)
        together.step(torch.tensor([0.1, 0.1]))
        together.put(1, kept)
        assert together.n_steps.tolist() == [6, 5]


def test_epochs_are_permutations_without_their_incomplete_batch():
    batches = Batches(torch.arange(10, 23), size=4, order="epochs", seed=0)
    drawn = torch.stack([*batches.draw(2), *batches.draw(4)])
    for epoch in (drawn[:3], drawn[3:]):
        assert len(epoch.unique()) == 12
    assert set(drawn.flatten().tolist()) <= set(range(10, 23))
    state = batches.state()
    following = batches.draw(5)
    batches.restore(state)
    assert torch.equal(torch.stack(batches.draw(5)), torch.stack(following))


def options(folder, model, seeds, **compute):
    if not (folder / "recording.npz").exists():
        trial_recording().save(folder / "recording.npz")
    return {
        "recording": folder / "recording.npz",
        "cores": [],
        "tuned": [],
        "checkpoint": folder / "checkpoint.pt",
        "history": folder / "history.csv",
        "record": folder / "run.json",
        "name": "model",
        "model": model,
        "seeds": seeds,
        "compute": COMPUTE | compute,
        "threads": 1,
        "gpu": 0,
    }


def trained(folder, model, seeds, **compute):
    folder.mkdir(exist_ok=True)
    train_responses(**options(folder, model, seeds, **compute))
    members = torch.load(folder / "checkpoint.pt", weights_only=True)["members"]
    history = pd.read_csv(folder / "history.csv")
    return members, json.loads((folder / "run.json").read_text()), history


def searched():
    """A search whose draws differ in the strength of penalties only: they can be stacked."""
    model = deepcopy(SMALL_NORMALIZATION)
    draws = [
        {"name": "smoothness", "key": "params.penalties.smoothness", "log10": [-6.0, -1.0]},
        {"name": "readout", "key": "params.penalties.readout", "log10": [-6.0, -1.0]},
    ]
    return model | {"search": {"draws": draws}}


def test_stacked_draws_agree_with_one_after_the_other(tmp_path):
    model = searched()  # one short stage: later, rounding would decide between equal losses
    model["training"] = model["training"] | {"learning_rate": 3e-3, "max_steps": 150}
    model["training"]["early_stopping"] = {"patience": 2, "stages": 1, "decay": 3.0}
    apart = trained(tmp_path / "apart", model, [0, 1, 2])
    stacked = trained(tmp_path / "stacked", model, [0, 1, 2], stacked=True)
    for one, other in zip(apart[1], stacked[1], strict=True):
        assert one["draw"] == other["draw"]
        assert (one["steps"], one["best_step"]) == (other["steps"], other["best_step"])
        assert other["best_validation_loss"] == pytest.approx(one["best_validation_loss"], rel=1e-3)
    assert len({record["steps"] for record in apart[1]}) > 1  # they stop at different steps
    np.testing.assert_allclose(stacked[2].validation_loss, apart[2].validation_loss, rtol=1e-3)
    for one, other in zip(apart[0], stacked[0], strict=True):
        for name, value in one["state_dict"].items():
            torch.testing.assert_close(other["state_dict"][name], value, rtol=1e-2, atol=1e-2)


def test_the_weights_kept_are_the_best_and_rates_fall(tmp_path):
    members, records, history = trained(tmp_path / "run", SMALL_NORMALIZATION, [0])
    best = history.loc[history.validation_loss.idxmin()]
    assert records[0]["best_step"] == best.step
    assert records[0]["stopped_early"]
    assert len(history.learning_rate.unique()) == 3
    assert history.test_loss.isna().all()
    running_mean = members[0]["state_dict"]["layers.0.norm.running_mean"]
    assert not torch.equal(running_mean, torch.zeros_like(running_mean))


@pytest.mark.parametrize("stacked", [False, True])
def test_a_killed_search_ends_where_an_unbroken_one_does(tmp_path, stacked):
    model = searched()
    model["training"] = model["training"] | {"evaluate_every": 5, "evaluate_offset": 4}
    model["training"] |= {"early_stopping": {"patience": 8, "stages": 4, "decay": 3.0}}
    unbroken = trained(tmp_path / "unbroken", model, [0, 1], stacked=stacked)
    folder = tmp_path / "broken"
    folder.mkdir()
    given = options(folder, model, [0, 1], stacked=stacked, seconds_between_saves=0)
    words = []
    for name, value in given.items():
        text = str(value) if isinstance(value, str | Path) else json.dumps(value)
        words += [f"--{name}"] if value == [] else [f"--{name}", text]
    process = subprocess.Popen(
        [sys.executable, SCRIPTS, "train_responses", *words], stderr=(folder / "log").open("w")
    )
    deadline = time.monotonic() + 120
    while not (folder / "checkpoint.resume.previous").exists() and time.monotonic() < deadline:
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "checkpoint.pt").exists()
    broken = trained(folder, model, [0, 1], stacked=stacked, seconds_between_saves=0)
    pd.testing.assert_frame_equal(unbroken[2], broken[2])
    for one, other in zip(unbroken[0], broken[0], strict=True):
        assert all(torch.equal(v, other["state_dict"][k]) for k, v in one["state_dict"].items())


def test_a_run_that_diverges_is_recorded_and_the_others_go_on(tmp_path):
    points = [
        {"factor": "rate", "value": rate, "set": {"training": {"learning_rate": rate}}}
        for rate in (1e30, 1e-2)
    ]
    model = SMALL_NORMALIZATION | {"search": {"points": points}}
    members, records, _ = trained(tmp_path / "run", model, [0, 1])
    assert [record["status"] for record in records] == ["failed", "ok"]
    assert "loss is" in records[0]["reason"]
    assert members[0]["state_dict"] is None


def test_a_random_search_repeats_its_draws_and_extends_them():
    model = searched()
    first = [drawn(model, seed) for seed in range(3)]
    again = [drawn(model, seed) for seed in range(5)][:3]
    assert first == again
    values = [draw["readout"] for _, draw, _ in (drawn(model, seed) for seed in range(200))]
    assert 1e-6 <= min(values) < 1e-5
    assert 1e-2 < max(values) <= 1e-1
    entry, draw, _ = first[0]
    assert entry["params"]["penalties"]["readout"] == draw["readout"] != draw["smoothness"]
    assert model["params"]["penalties"]["readout"] == PENALTIES["readout"]  # left alone


def test_a_random_search_cannot_set_what_the_entry_lacks():
    model = searched()
    model["search"]["draws"][0]["key"] = "params.penalties.smothness"
    with pytest.raises(ValueError, match="the model entry has no value 'smothness'"):
        drawn(model, 0)


@pytest.mark.parametrize("seed", range(4))
def test_the_plateau_is_that_of_pytorch(seed):
    values = np.random.default_rng(seed).integers(0, 30, 80) / 10
    values[40] = np.nan
    rules = {"factor": 0.3, "patience": 2, "min_rate": 1e-4, "tolerance": 0.15}
    carrier = torch.optim.SGD([torch.zeros(1)], lr=0.01)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        carrier, factor=0.3, patience=2, min_lr=1e-4, threshold=0.15, threshold_mode="abs"
    )
    plateau = Plateau(0.01, **rules)
    for number, value in enumerate(values):
        if number == 30:  # as if the job had been killed here
            state, plateau = plateau.state(), Plateau(0.01, **rules)
            plateau.restore(state)
        theirs.step(value)
        assert plateau.judge(value) == carrier.param_groups[0]["lr"]
    assert plateau.rate == 1e-4
