"""A small data set of scans and networks for it that were never trained."""

import numpy as np
import torch
from torch import nn

from v1lib.files import write_json
from v1lib.models import TrainedModel, TrainedPart
from v1lib.scans import ScanFacts, new_scans, open_scans
from v1lib.splits import SPLIT_CODES, split_codes

SIZE_PX = (6, 8)
SPLIT = np.repeat(["train", "validation", "test"], [20, 6, 5])
N_REPEATS = np.repeat([1, 2, 4], [20, 6, 5])  # of each image of these splits


def scans_in(folder, sizes=(7, 5), *, lost=1, seed=0):
    """A data set with so many neurons in scans 1-1-1-0, 1-1-2-0, ...; some presentations lost."""
    rng = np.random.default_rng(seed)
    with new_scans(folder, dataset="made_up", source_kind="simulated") as writer:
        for number, n_neurons in enumerate(sizes, 1):
            name = f"1-1-{number}-0"
            shown = rng.permutation(np.repeat(np.arange(len(SPLIT)), N_REPEATS))
            shown = np.delete(shown, np.flatnonzero(SPLIT[shown] == "test")[:lost])
            stimuli = rng.uniform(0, 255, (len(SPLIT), 1, *SIZE_PX)).astype(np.float32)
            signal = rng.gamma(1.0, 1.0, (len(SPLIT), n_neurons))
            signal[:, 0] = 1.0  # nothing of this neuron's responses is explainable
            arrays = {
                "image_index": shown,
                "trial": np.arange(len(shown)),
                "split": SPLIT,
                "image_id": np.arange(len(SPLIT)),
                "image_class": np.full(len(SPLIT), "imagenet"),
                "neuron_position": rng.uniform(-300, 300, (n_neurons, 3)),
                "unit_id": np.arange(n_neurons),
                "match_id": np.full(n_neurons, -1),
                "layer": np.full(n_neurons, "L4"),
                "response_sd": np.ones(n_neurons),
                "precision": np.ones(n_neurons),
            }
            facts = ScanFacts(name, len(shown), 111.0, 60.0, f"static{name}")
            with writer.scan(facts, arrays, SIZE_PX) as (images, responses):
                images[:] = stimuli
                noise = rng.gamma(2.0, 0.5, (len(shown), n_neurons))
                responses[:] = signal[shown] * noise
    return open_scans(folder)


class Linear(nn.Module):
    """Each scan has its own linear readout of the pixels."""

    def __init__(self, sizes, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.readouts = nn.ModuleDict(
            {name: nn.Linear(SIZE_PX[0] * SIZE_PX[1], n) for name, n in sizes.items()}
        )
        for readout in self.readouts.values():
            nn.init.normal_(readout.weight, std=0.01, generator=generator)

    def forward(self, images, scan):
        return self.readouts[scan](images.flatten(1))


def parts_of(scans, neurons, n_training):
    """Parts of a network with these neurons (columns by scan) and the first training images."""
    parts = {}
    for name, columns in neurons.items():
        split = split_codes(scans[name].split)
        split[np.flatnonzero(split == SPLIT_CODES["train"])[n_training:]] = SPLIT_CODES[""]
        parts[name] = TrainedPart(np.asarray(columns), split)
    return parts


def network_of(scans, neurons=None, *, seed=0, n_training=20, module=None):
    """A network on some neurons of the scans, by default on all."""
    if neurons is None:
        neurons = {name: np.arange(scan.n_neurons) for name, scan in scans.items()}
    if module is None:
        module = Linear({name: len(columns) for name, columns in neurons.items()}, seed)
    return TrainedModel(
        session="all",
        seed=seed,
        neuron_index=np.concatenate([np.asarray(columns) for columns in neurons.values()]),
        module=module.eval().requires_grad_(False),
        parts=parts_of(scans, neurons, n_training),
    )


def record_of(seed, *, draw=None, penalty=2.5, status="ok", reason=""):
    """What is read of a run's record here."""
    return {
        "dataset": "made_up",
        "model": "linear",
        "seed": seed,
        "status": status,
        "reason": reason,
        "draw": draw or {},
        "params": {"penalties": {"smoothness": 1.0, "readout": penalty}},
        "source_kind": "simulated",
    }


def blocks_in(folder, monkeypatch, *blocks):
    """Checkpoints and run records of blocks, each a list of (network or None, record)."""
    stored, checkpoints, runs = {}, [], []
    for number, block in enumerate(blocks):
        checkpoints.append(folder / f"checkpoint{number}.pt")
        stored[checkpoints[-1]] = [network for network, _ in block if network is not None]
        runs.append(folder / f"run{number}.json")
        write_json([record for _, record in block], runs[-1])
    monkeypatch.setattr("v1lib.scan_runs.load_models", stored.__getitem__)
    return {"checkpoints": checkpoints, "runs": runs}
