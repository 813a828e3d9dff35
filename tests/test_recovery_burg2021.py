"""Divisive normalization is found by training where it was planted, and only there.

One simulated recording goes through the steps of the workflow, from spike counts to the table of
what was recovered. The control is in the recording: neurons that nothing normalizes.
"""

import pytest

import preprocess_cadena2019
import simulate_cadena2019
from analyse_normalization import main as analyse_normalization
from insilico_optimal_gabors import main as find_optimal_gabors
from made_up_cadena2019 import changed
from predict import main as predict
from rank_draws import main as rank_draws
from recover_burg2021 import main as recover_burg2021
from score import main as score
from train_responses import main as train_responses
from v1lib.files import read_csv, read_npz
from v1lib.predictions import load_predictions
from v1lib.simulation.normalized_population import SIMILAR_DEG
from v1lib.splits import SPLIT_CODES

pytestmark = pytest.mark.slow

SIMULATION = changed(
    seed=1,
    stimuli={"n_photographs": 200, "size_px": 52},
    features={
        "oriented": {"specific": 4, "none": 2},
        "unoriented": {},
        "strength": 5,
    },
    neurons={"classes": {"specific": 20, "none": 12}, "place_sd_px": 1.5},
    sessions={"n_photographs_missing": 16},
)
PREPROCESSING = {"crop": 6, "subsample": 2, "train_fraction": 0.8, "split_seed": 1000}
PENALTIES = {  # readout: the upper end of what the search draws from, for few neurons overfit
    "smoothness": 1e-6,
    "sparsity": [0.0],
    "readout": 3e-5,
    "nonlinearity": 1e-3,
    "normalization": 0.0,
}
TRAINING = {
    "split": "recording",
    "optimiser": "adam",
    "learning_rate": 5e-3,
    "batch_size": 64,
    "max_steps": 1400,
    "loss": "poisson",
    "samples": "trials",
    "batches": "epochs",
    "evaluate_every": 100,
    "evaluate_offset": 99,
    "evaluated": ["validation"],
    "early_stopping": {"patience": 2, "stages": 4, "decay": 3.0},
}
ONE_LAYER = {"filters": 10, "kernel": 9, "penalties": PENALTIES}
POOL = {"average_size": 5, "size": 1, "components": 1, "dilation": 5}
MODELS = {
    "subunit": {"build": "burg2021.subunit_net", "params": ONE_LAYER},
    "nonspecific": {
        "build": "burg2021.divisive_net",
        "params": ONE_LAYER | {"pool": POOL, "specific": False},
    },
    "specific": {
        "build": "burg2021.divisive_net",
        "params": ONE_LAYER | {"pool": POOL, "specific": True},
    },
}
METRICS = {"test": ["fev", "trial_correlation"], "validation": ["trial_correlation"]}
GABORS = {
    "location_step": 2,
    "size_px": {"first": 6, "last": 16, "n": 2},
    "relative_frequency": {"first": 1.0, "last": 3.0, "n": 4},
    "contrast": {"first": 0.5, "last": 2.5, "n": 2},
    "n_orientations": 12,
    "n_phases": 4,
    "search": {
        "method": "screened",
        "contrast_stride": 1,
        "phase_stride": 1,
        "margin": 0.3,
        "n_kept": 4,
        "n_kept_again": 64,
        "n_shown": 16,
        "max_shown": 512,
        "batch": 8,
    },
}
MARGIN = 0.025  # of FEV
OPTIONS = {
    "n_top": 1,
    "min_likeness": 0.6,
    "bin_width_deg": 22.5,
    "n_permutations": 500,
    "seed": 0,
}


def train(folder, name):
    """Train one model on the recording of a folder and score it; its files lie in ``name``."""
    own = folder / name
    own.mkdir()
    recording, checkpoint, record = (
        folder / "recording.npz",
        own / "checkpoint.pt",
        own / "run.json",
    )
    train_responses(
        recording=recording,
        cores=[],
        tuned=[],
        checkpoint=checkpoint,
        history=own / "history.csv",
        record=record,
        name=name,
        model=MODELS[name] | {"training": TRAINING},
        seeds=[0],
        compute={
            "device": "cpu",
            "stacked": False,
            "seconds_between_saves": 600,
            "resident_gb": 1.0,
        },
        threads=1,
        gpu=0,
    )
    predictions, scores = own / "predictions.npz", own / "scores.csv"
    predict(recording=recording, checkpoint=checkpoint, predictions=predictions, threads=1)
    score(
        recording=recording,
        predictions=[predictions],
        scores=scores,
        metrics=METRICS,
        options={"fano": 1.0},
    )
    rank_draws(scores=scores, runs=[record], ranking=own / "ranking.csv", draws=own / "draws.csv")


def look_inside(folder, name):
    """What a trained model has learned: its normalization and what its neurons prefer."""
    own = folder / name
    common = {
        "recording": folder / "recording.npz",
        "checkpoints": [own / "checkpoint.pt"],
        "ranking": own / "ranking.csv",
        "name": name,
        "threads": 1,
    }
    analyse_normalization(
        **common, normalization=own / "normalization.npz", rank_ranges=[[1, OPTIONS["n_top"]]]
    )
    find_optimal_gabors(
        **common,
        optimal_gabors=own / "optimal_gabors.csv",
        n_top=OPTIONS["n_top"],
        settings=GABORS,
        device="cpu",
        gpu=0,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The recording, its ground truth, three trained models, and the table of the recovery."""
    folder = tmp_path_factory.mktemp("trained")
    archive, truth = folder / "cadena2019.zip", folder / "truth.npz"
    simulate_cadena2019.main(archive=archive, truth=truth, settings=SIMULATION)
    preprocess_cadena2019.main(
        archive=archive,
        recording=folder / "recording.npz",
        source_kind="simulated",
        dataset="simulated",
        settings=PREPROCESSING,
    )
    for name in MODELS:
        train(folder, name)
    look_inside(folder, "specific")
    recover_burg2021(
        truth=truth,
        scores=[folder / name / "scores.csv" for name in MODELS],
        rankings=[folder / name / "ranking.csv" for name in MODELS],
        normalization=folder / "specific" / "normalization.npz",
        optimal_gabors=folder / "specific" / "optimal_gabors.csv",
        recovery=folder / "recovery.csv",
        roles={name: name for name in MODELS},
        options=OPTIONS,
    )
    return folder


@pytest.fixture(scope="module")
def truth(folder):
    return read_npz(folder / "truth.npz")


@pytest.fixture(scope="module")
def table(folder):
    return read_csv(folder / "recovery.csv")


@pytest.fixture(scope="module")
def advantage(folder, truth):
    """Mean difference in FEV of two models over the neurons of a class, and how many gain.

    Against the expected counts of the test images, which no trial's noise blurs.
    """
    fev = {}
    for name in MODELS:
        block = load_predictions(folder / name / "predictions.npz")
        test = block.split[0, 0] == SPLIT_CODES["test"]
        expected = truth["expected_counts"][test]
        error = ((block.predictions[0, test] - expected) ** 2).mean(axis=0)
        fev[name] = 1 - error / expected.var(axis=0)

    def of(neuron_class, better, worse):
        neurons = truth["neuron_class"] == neuron_class
        difference = (fev[better] - fev[worse])[neurons]
        return difference.mean(), (difference > 0).mean()

    return of


@pytest.mark.parametrize(
    ("better", "worse"), [("specific", "nonspecific"), ("nonspecific", "subunit")]
)
def test_each_step_towards_the_planted_model_predicts_its_neurons_better(advantage, better, worse):
    mean, share = advantage("specific", better, worse)
    assert mean > MARGIN and share > 0.7


def test_normalization_gains_nothing_where_nothing_normalizes(advantage):
    mean, _ = advantage("none", "specific", "subunit")
    assert mean < MARGIN


def test_single_trials_tell_the_same(table):
    found = table[table["measure"] == "fev_advantage_mean"].set_index(["group", "comparison"])
    gain = found.loc[("specific", "specific - subunit")]
    none = found.loc[("none", "specific - subunit")]
    assert gain["low"] > 100 * MARGIN and gain["p"] < 0.01
    assert none["recovered"] < gain["low"]


def test_who_normalizes_whom_is_recovered(table):
    found = table[table["measure"] == "provider_correlation"].iloc[0]
    assert found["recovered"] > found["control"] + 0.3 and found["p"] < 0.05
    assert found["n"] >= 9  # three filters or more were found


def test_similar_filters_provide_more_than_dissimilar_ones(table):
    bins = table[table["measure"] == "provider_share_by_difference"]
    bins = bins[(bins["group"] == "specific") & (bins["n"] > 0)]
    similar = bins["orientation_difference_deg"] < SIMILAR_DEG
    for source in ("planted", "recovered"):
        assert bins[similar][source].mean() > 2 * bins[~similar][source].mean()


def test_the_network_prefers_the_orientations_of_the_neurons(table):
    found = table[table["measure"] == "preferred_orientation_error"].iloc[0]
    assert found["recovered"] < 15 < 35 < found["control"] and found["p"] < 0.01
