"""Planted receptive fields are found by training, and a core from other animals helps.

Simulated animals go through the steps of the workflow, from scans to the table of what was
recovered. Negative controls: a core that was never trained, free positions, exchanged neurons.
"""

import pytest

import preprocess_lurz2020
import simulate_lurz2020
from locate_readouts import main as locate_readouts
from made_up_lurz2020 import changed
from recover_lurz2021 import main as recover_lurz2021
from scan_trainings import COMPUTE, CORTEX, with_values
from score_scans import main as score_scans
from train_responses import main as train_responses
from v1lib.files import read_csv

pytestmark = pytest.mark.slow

OTHERS = {"1-1-1": 0, "2-1-1": 1, "3-1-1": 2, "4-1-1": 3}  # image sets of the other animals
SIMULATION = changed(
    seed=7,
    fields=[{"n_neurons": 240, "scans": {name: number}} for name, number in OTHERS.items()]
    + [{"n_neurons": 120, "scans": {"9-1-1": 4}}],
    stimuli={
        "size_px": [16, 28],
        "n_images": {"train": 180, "validation": 60, "test": 25},
        "n_repeats": 8,
    },
    features={"wavelengths_px": [5], "centre_sigma_px": 1.0, "reach_px": 3},
    cortex={"span_px": [7, 2.5], "scatter_px": 0.4, "margin_px": 5},
    neurons={"mean_events": [0.3, 1.2]},
    recording={"recorded_share": 0.98, "gaze_sd_px": 0.3},
)
SCANS = {"others": [f"{name}-0" for name in OTHERS], "own": ["9-1-1-0"]}
FEW, MANY = 60, 180  # images
FROM_OTHERS = {"dataset": "others", "model": "core"}
CORE = with_values(
    params__core={
        "filters": 16,
        "layers": 2,
        "input_kernel": 7,
        "hidden_kernel": 5,
        "momentum": 0.9,
    },
    params__readout=CORTEX | {"init_sigma": 0.4},
    params__penalties={"smoothness": 1.0, "readout": 1.0},
    training__learning_rate=0.02,
    training__max_epochs=30,
    training__early_stopping__patience=5,
    training__early_stopping__stages=3,
    training__early_stopping__plateau__patience=5,
)
DIRECT = CORE | {
    "search": {
        "grid": [{"name": "images", "key": "training.subset.images", "values": [FEW, MANY]}],
        "replicates": 2,
    }
}
RANDOM = with_values(DIRECT, params__frozen=True)
TRANSFERRED = RANDOM | {"core": FROM_OTHERS}
FREE = with_values(
    TRANSFERRED,
    params__readout__init_range=0.55,
    params__readout__retinotopy=None,
)
MODELS = {  # model: data set, entry, number of runs
    "core": ("others", CORE, 1),
    "direct": ("own", DIRECT, 4),
    "random": ("own", RANDOM, 4),
    "transferred": ("own", TRANSFERRED, 4),
    "free": ("own", FREE, 4),
}
SCORED = ("direct", "transferred", "random")


def train(folder, name):
    """Train the runs of one model, score them, and locate their readouts."""
    dataset, model, n_seeds = MODELS[name]
    own = folder / name
    own.mkdir()
    train_responses(
        recording=folder / dataset,
        cores=[folder / "core" / "checkpoint.pt"] if "core" in model else [],
        tuned=[],
        checkpoint=own / "checkpoint.pt",
        history=own / "history.csv",
        record=own / "run.json",
        name=name,
        model=model,
        seeds=list(range(n_seeds)),
        compute=COMPUTE,
        threads=1,
        gpu=0,
    )
    trained = {
        "recording": folder / dataset,
        "checkpoints": [own / "checkpoint.pt"],
        "runs": [own / "run.json"],
    }
    score_scans(
        **trained,
        scores=own / "scores.csv",
        population=own / "population_scores.csv",
        metrics={"test": ["trial_correlation"]},
        options={"fano": 1.0, "explainable_share": 0.15},
        threads=1,
    )
    locate_readouts(**trained, positions=own / "readout_positions.csv")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Scans of five animals, a core from four, networks for the fifth, and what they recover."""
    folder = tmp_path_factory.mktemp("animals")
    archive, truth = folder / "lurz2020.zip", folder / "truth.npz"
    simulate_lurz2020.main(archive=archive, truth=truth, settings=SIMULATION)
    for name, scans in SCANS.items():
        preprocess_lurz2020.main(
            archives=[archive],
            scans=folder / name,
            source_kind="simulated",
            dataset=name,
            settings={"scans": scans, "counts": {}, "size_px": [16, 28], "downsampling": 1},
        )
    for name in MODELS:
        train(folder, name)
    readouts = {name: {"dataset": MODELS[name][0], "model": name} for name in MODELS}
    recover_lurz2021(
        truth=truth,
        positions=[folder / name / "readout_positions.csv" for name in readouts],
        populations=[folder / name / "population_scores.csv" for name in SCORED],
        recovery=folder / "recovery.csv",
        readouts=readouts,
        scored={name: name for name in SCORED},
        options={"score": "fraction_oracle", "downsampling": 1, "n_permutations": 200, "seed": 0},
    )
    return read_csv(folder / "recovery.csv")


def recovered(table, measure, role):
    return table[(table["measure"] == measure) & (table["role"] == role)]


@pytest.mark.parametrize("role", ["transferred", "direct", "core"])
def test_readouts_with_retinotopy_find_the_planted_fields(table, role):
    for axis, least in (("x", 0.95), ("y", 0.85)):
        found = recovered(table, f"position_correlation_{axis}", role)
        assert len(found) == (4 if role == "core" else 2)
        assert (found["recovered"] > least).all() and (found["control"].abs() < 0.1).all()
        assert (found["p"] < 0.01).all()
    error = recovered(table, "position_error", role)
    assert (error["recovered"] < 1.5).all() and (error["control"] > 4).all()


def test_free_positions_are_found_less_well(table):
    free, cortex = (recovered(table, "position_error", role) for role in ("free", "transferred"))
    assert free["recovered"].min() > 3 * cortex["recovered"].max()
    assert (free["recovered"] < free["control"]).all()


def test_a_core_that_knows_nothing_finds_no_fields(table):
    found = recovered(table, "map_error", "random")
    assert (found["recovered"] > 0.4).all()


def test_the_map_of_every_animal_is_recovered(table):
    mirrored = recovered(table, "map_mirrored", "core")
    assert set(mirrored["planted"]) == {0, 1}
    assert mirrored["planted"].tolist() == mirrored["recovered"].tolist()
    rotation = recovered(table, "map_rotation", "core")
    assert (rotation["planted"] - rotation["recovered"]).abs().max() < 12
    error = recovered(table, "map_error", "core")
    assert (error["recovered"] < 0.25).all() and (error["control"] > 0.7).all()


def test_a_core_of_other_animals_helps_and_a_random_one_does_not(table):
    gains = recovered(table, "score_difference", "transferred").set_index("images")
    assert gains.loc[FEW, "recovered"] > 0.15 and gains.loc[FEW, "low"] > 0.05
    assert gains.loc[FEW, "recovered"] > gains.loc[MANY, "recovered"]
    losses = recovered(table, "score_difference", "random").set_index("images")
    assert (losses["high"] < gains["low"]).all() and losses.loc[MANY, "high"] < -0.3


def test_transfer_needs_fewer_images(table):
    needed = recovered(table, "data_efficiency", "transferred").set_index("item")
    assert needed.loc["linear", "recovered"] < 95
