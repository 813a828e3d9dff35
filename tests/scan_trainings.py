"""Small trainings on simulated scans, for tests."""

import json
from copy import deepcopy

import pandas as pd
import torch

import preprocess_lurz2020
import simulate_lurz2020
from made_up_lurz2020 import changed
from train_responses import main as train_responses

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


def simulate_sets(folder):
    """Two data sets of simulated scans, named as in ``SCANS``."""
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
