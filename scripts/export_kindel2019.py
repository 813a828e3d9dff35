"""Copy what a run left into the files the original code writes, in open formats.

The original keeps positional lists in pickled arrays named by the time of the run (training record,
results per cell, network). Here each run has a folder ``session03_seed0`` with the same contents,
named: ``training.json``, ``cells.csv``, ``network.npz``; and the network is the trained one (the
original's saving routine initialises a new session and stores fresh random weights).
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from v1lib.files import read_csv, read_json, write_csv, write_json, write_npz
from v1lib.splits import SPLIT_CODES
from v1lib.steps import Input, Inputs, Outputs

RUN = re.compile(r"session(?P<session>[0-9a-z]+)_seed(?P<seed>\d+)")
CURVES = {
    "step": "step",
    "train_loss": "training_loss",
    "validation_loss": "early_stop_loss",
    "test_loss": "evaluation_loss",
    "test_correlation": "mean_r",
}
CELL_METRICS = {
    "correlation": "r",
    "loss": "evaluation_loss",
    "baseline_loss": "baseline_loss",
    "response_variance": "evaluation_variance",
}


def main(
    *,
    checkpoints: Inputs,
    histories: Inputs,
    records: Inputs,
    scores: Input,
    exported: Outputs,
) -> None:
    """From the files of all blocks of a model to one folder per run.

    ``exported`` are files ``session03_seed0/<content>``; which contents are wanted follows from
    their names.
    """
    members = {
        (member["session"], member["seed"]): member
        for path in checkpoints
        for member in torch.load(path, weights_only=True)["members"]
    }
    history = pd.concat([read_csv(path) for path in histories])
    record = {(r["session"], r["seed"]): r for path in records for r in read_json(path)}
    cells = read_csv(scores)
    for path in exported:
        run = _run_of(path)
        if path.name == "training.json":
            write_json(_training(members[run], record[run], _of(history, run), cells, run), path)
        elif path.name == "cells.csv":
            write_csv(_cells(cells, run), path)
        elif path.name == "network.npz":
            write_npz(path, **_network(members[run], record[run]))
        else:
            raise ValueError(
                f"{path}: unknown content, allowed: training.json, cells.csv, network.npz"
            )


def _run_of(path: Path) -> tuple[str, int]:
    match = RUN.fullmatch(path.parent.name)
    if match is None:
        raise ValueError(f"{path}: its folder should be named like session03_seed0")
    return match["session"], int(match["seed"])


def _of(table: pd.DataFrame, run: tuple[str, int]) -> pd.DataFrame:
    return table[(table["session"] == run[0]) & (table["seed"] == run[1])]


def _images(member: dict) -> dict[str, list[int]]:
    (part,) = member["parts"]
    split = np.array(part["split"])
    names = {"train": "training", "validation": "early_stop", "test": "evaluation"}
    return {
        f"{name}_images": np.flatnonzero(split == SPLIT_CODES[code]).tolist()
        for code, name in names.items()
    }


def _training(
    member: dict, record: dict, history: pd.DataFrame, scores: pd.DataFrame, run: tuple[str, int]
) -> dict:
    baseline = _cells(scores, run)["baseline_loss"]
    settings = ("source_kind", "params", "training", "seeds", "status", "best_step")
    curves = {ours: history[column].tolist() for column, ours in CURVES.items()}
    return (
        {"session": run[0], "seed": run[1]}
        | {name: record[name] for name in settings if name in record}
        | curves
        | {"baseline_loss": float(baseline.mean())}
        | _images(member)
    )


def _cells(scores: pd.DataFrame, run: tuple[str, int]) -> pd.DataFrame:
    table = _of(scores, run)
    wide = table.pivot_table(index="neuron", columns="metric", values="value", dropna=False)
    wide = wide[list(CELL_METRICS)].rename(columns=CELL_METRICS).reset_index(drop=True)
    wide.insert(0, "cell", np.arange(1, len(wide) + 1))
    wide["source_kind"] = table["source_kind"].iloc[0]
    return wide


def _network(member: dict, record: dict) -> dict[str, np.ndarray]:
    """Weights by the original's names, in PyTorch's layout (out, in, row, column)."""
    if member["state_dict"] is None:
        raise ValueError(f"session {member['session']} seed {member['seed']} failed: no network")
    weights = {name: value.numpy() for name, value in member["state_dict"].items()}
    layers = sorted({name.rsplit(".", 1)[0] for name in weights if name.startswith("core.")})
    names = [f"conv{number}" for number in range(1, len(layers))] + ["hidden"]
    renamed = dict(zip(layers, names, strict=True)) | {"readout": "output"}
    arrays = {
        f"{renamed[name.rsplit('.', 1)[0]]}_{'W' if name.endswith('weight') else 'b'}": value
        for name, value in weights.items()
    }
    return arrays | {"step": np.array(record["best_step"])}
