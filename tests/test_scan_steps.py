"""From simulated scans to trained networks, their scores, positions and penalties, step by step."""

import numpy as np
import pandas as pd
import pytest
import torch

import choose_penalties
import locate_readouts
import preprocess_lurz2020
import score_scans
import simulate_lurz2020
from made_up_lurz2020 import SETTINGS
from scan_trainings import with_values
from train_responses import main as train_responses
from v1lib.files import read_csv, read_json
from v1lib.models import load_models
from v1lib.oracle import correlation_to_trials, oracle_correlation
from v1lib.score_files import read_scores

NAMES = ["7-1-1-0", "7-1-2-0"]
SEARCH = with_values(training__subset__neurons=6, training__max_epochs=2) | {
    "search": {
        "grid": [
            {"name": "images", "key": "training.subset.images", "values": [10, None]},
            {"name": "penalty", "key": "params.penalties.readout", "values": [0.1, 100.0]},
        ],
        "replicates": 2,
    },
}
BLOCKS = [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two blocks of a search that was trained on two scans, and all that follows from them."""
    folder = tmp_path_factory.mktemp("search")
    archive, scans = folder / "lurz2020.zip", folder / "scans"
    simulate_lurz2020.main(archive=archive, truth=folder / "truth.npz", settings=SETTINGS)
    preprocess_lurz2020.main(
        archives=[archive],
        scans=scans,
        source_kind="simulated",
        dataset="matched",
        settings={"scans": NAMES, "counts": {}, "size_px": [24, 32], "downsampling": 1},
    )
    blocks = {"checkpoints": [], "runs": []}
    for number, seeds in enumerate(BLOCKS):
        block = folder / f"block{number}"
        block.mkdir()
        blocks["checkpoints"].append(block / "checkpoint.pt")
        blocks["runs"].append(block / "run.json")
        train_responses(
            recording=scans,
            cores=[],
            tuned=[],
            checkpoint=block / "checkpoint.pt",
            history=block / "history.csv",
            record=block / "run.json",
            name="search",
            model=SEARCH,
            seeds=seeds,
            compute={
                "device": "cpu",
                "stacked": False,
                "seconds_between_saves": 1e9,
                "resident_gb": 1.0,
            },
            threads=1,
            gpu=0,
        )
    score_scans.main(
        recording=scans,
        **blocks,
        scores=folder / "scores.csv",
        population=folder / "population_scores.csv",
        metrics={"test": ["correlation_to_trials", "oracle_correlation"], "validation": ["loss"]},
        options={"fano": 1.0, "explainable_share": 0.15},
        threads=1,
    )
    locate_readouts.main(recording=scans, **blocks, positions=folder / "readout_positions.csv")
    choose_penalties.main(
        population=folder / "population_scores.csv",
        runs=blocks["runs"],
        chosen=folder / "chosen.json",
        candidates=folder / "chosen.csv",
    )
    return folder


def test_the_validation_correlation_is_that_of_the_state_that_was_kept(folder):
    population = read_csv(folder / "population_scores.csv")
    assert sorted(population["seed"].unique()) == list(range(8))
    history = pd.concat([pd.read_csv(path) for path in folder.glob("block*/history.csv")])
    best = history.groupby("seed")["validation_correlation"].max()
    rows = population[population["split"] == "validation"].set_index("seed")
    assert set(rows["metric"]) == {"correlation_to_trials"} and set(rows["n_neurons"]) == {12}
    np.testing.assert_allclose(rows["value"], best[rows.index], rtol=1e-4, atol=1e-6)


def test_runs_are_told_apart_by_what_they_were_trained_on(folder):
    population = read_csv(folder / "population_scores.csv")
    facts = ["images", "neurons", "n_scans", "replicate", "initialisation", "penalty"]
    found = population.drop_duplicates("seed").set_index("seed")[facts]
    assert found.loc[0].tolist() == [10, 6, 2, 0, 0, 0.1]
    assert found.loc[1].tolist() == [40, 6, 2, 0, 0, 0.1]  # all training images
    assert found.loc[6].tolist() == [10, 6, 2, 1, 0, 100]


def test_scores_are_those_of_the_networks_on_the_responses_of_their_neurons(folder):
    scores = read_scores([folder / "scores.csv"])
    network = load_models(folder / "block1" / "checkpoint.pt", seeds=[5])[0]
    scan = folder / "scans" / NAMES[1]
    arrays = {
        name: np.load(scan / f"{name}.npy")
        for name in ("stimuli", "responses", "image_index", "split")
    }
    part = network.parts[NAMES[1]]
    images = np.flatnonzero(arrays["split"] == "test")
    trials = [np.flatnonzero(arrays["image_index"] == image) for image in images]
    repeats = np.full((max(map(len, trials)), len(images), 6), np.nan)
    for number, rows in enumerate(trials):
        repeats[: len(rows), number] = arrays["responses"][rows][:, part.neuron_index]
    with torch.no_grad():
        predicted = network.module(torch.as_tensor(arrays["stimuli"][images]), NAMES[1]).numpy()
    rows = scores[(scores["seed"] == 5) & (scores["session"] == NAMES[1])]
    for metric, expected in (
        ("correlation_to_trials", correlation_to_trials(predicted, repeats)),
        ("oracle_correlation", oracle_correlation(repeats)),
    ):
        found = rows[rows["metric"] == metric].set_index("neuron")["value"]
        np.testing.assert_allclose(found[part.neuron_index], expected, rtol=1e-4, atol=1e-6)


def test_positions_are_on_the_stimulus_and_follow_the_cortex(folder):
    positions = read_csv(folder / "readout_positions.csv")
    assert positions.groupby(["seed", "session"]).size().tolist() == [6] * 16
    # a valid first kernel of 7 px keeps 3 px from the border of 32 x 24 px
    assert positions["x_px"].between(3, 28).all() and positions["y_px"].between(3, 20).all()
    inside = positions[["x", "y"]].abs().max(axis=1) < 1
    whole = positions[inside.groupby([positions["seed"], positions["session"]]).transform("all")]
    assert len(whole)  # scans without a neuron that is kept at the border
    for _, rows in whole.groupby(["seed", "session"]):
        cortex = np.column_stack([rows[["cortex_x_um", "cortex_y_um"]], np.ones(6)])
        fitted = cortex @ np.linalg.lstsq(cortex, rows[["x_px", "y_px"]], rcond=None)[0]
        np.testing.assert_allclose(fitted, rows[["x_px", "y_px"]], atol=1e-3)


def test_a_penalty_is_chosen_for_every_number_of_images(folder):
    chosen = read_json(folder / "chosen.json")
    assert [entry["images"] for entry in chosen] == [10, None]
    candidates = read_csv(folder / "chosen.csv")
    assert len(candidates) == 4 and set(candidates["n_runs"]) == {2}
    population = read_csv(folder / "population_scores.csv")
    rows = population[(population["split"] == "validation") & (population["images"] == 40)]
    means = rows.groupby("penalty")["value"].mean()
    assert chosen[1]["penalty"] == means.idxmax()
