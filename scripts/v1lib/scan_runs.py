"""Networks that were trained on scans, each with what its run is called in tables."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from v1lib.files import read_json
from v1lib.models import TrainedModel, load_models
from v1lib.scans import Scan
from v1lib.splits import SPLIT_CODES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScanRun:
    """One trained network.

    Attributes:
        trained: the network.
        facts: the values of ``v1lib.population_scores.RUN_COLUMNS``: images and neurons are those
            trained on, per scan (the mean, where scans differ); penalty is the strength of the
            readout's.
    """

    trained: TrainedModel
    facts: dict


def runs_on_scans(
    checkpoints: Sequence[Path], runs: Sequence[Path], scans: Mapping[str, Scan]
) -> Iterator[ScanRun]:
    """The networks of all blocks, one after the other; failed runs are logged and left out.

    Args:
        checkpoints, runs: checkpoint and run records of each block, in the same order.
        scans: of the data set, by name.

    Raises:
        ValueError: a checkpoint does not fit the records beside it or the scans.
    """
    for checkpoint, path in zip(checkpoints, runs, strict=True):
        networks = {network.seed: network for network in load_models(checkpoint)}
        for record in read_json(path):
            seed = record["seed"]
            if record["status"] != "ok":
                log.warning("%s: seed %d failed (%s)", path, seed, record["reason"])
                continue
            if seed not in networks:
                raise ValueError(f"{checkpoint} has no network of seed {seed}, {path} says it has")
            network = networks.pop(seed)
            _check(network, scans, checkpoint)
            yield ScanRun(network, _facts(network, record))


def check_all_found(runs: Sequence[Path], found: Collection[str]) -> None:
    """Refuse models none of whose runs can be used.

    Args:
        runs: run records of all blocks.
        found: names of the models of which there is a run.

    Raises:
        ValueError: a model of the records is missing.
    """
    for path in runs:
        for record in read_json(path):
            if record["model"] not in found:
                raise ValueError(f"every run failed of model {record['model']} ({path})")


def _check(network: TrainedModel, scans: Mapping[str, Scan], checkpoint: Path) -> None:
    where = f"{checkpoint}, seed {network.seed}"
    for name, part in network.parts.items():
        if name not in scans:
            raise ValueError(f"{where}: predicts scan {name}, the data set has {sorted(scans)}")
        scan = scans[name]
        if part.split.shape != scan.split.shape or part.neuron_index.max() >= scan.n_neurons:
            raise ValueError(f"{where}: scan {name} had other images or neurons; train again")


def _facts(network: TrainedModel, record: dict) -> dict:
    """See ``ScanRun``; a model without a grid has one replicate, and the seed initialises it.

    A model without a penalty of its readout has none: NaN.
    """
    draw, parts = record["draw"], network.parts.values()
    images = [(part.split == SPLIT_CODES["train"]).sum() for part in parts]
    return {
        "dataset": record["dataset"],
        "model": record["model"],
        "seed": network.seed,
        "images": _mean(images),
        "neurons": _mean([len(part.neuron_index) for part in parts]),
        "n_scans": len(network.parts),
        "replicate": draw.get("replicate", 0),
        "initialisation": draw.get("initialisation", network.seed),
        "penalty": record["params"].get("penalties", {}).get("readout", float("nan")),
        "source_kind": record["source_kind"],
    }


def _mean(counts: Sequence[int]) -> int | float:
    mean = float(np.mean(counts))
    return int(mean) if mean.is_integer() else mean
