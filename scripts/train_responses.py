"""Train one model on a data set: a block of seeds, every session or scan, by gradient descent."""

import logging
from pathlib import Path

import torch

from v1lib.block_files import BlockFiles, write_block
from v1lib.data_sets import open_data_set
from v1lib.device import choose_device
from v1lib.files import sha256_of, sha256_of_code
from v1lib.penalties import penalties_of
from v1lib.runs import environment_of, initial_model, plan_runs
from v1lib.samples import samples_of
from v1lib.steps import Gpu, Input, Inputs, Output, Threads
from v1lib.training import fit
from v1lib.training_run import Run
from v1lib.training_state import ResumeFile
from v1lib.transfer import start_from_cores

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    cores: Inputs,
    tuned: Inputs,
    checkpoint: Output,
    history: Output,
    record: Output,
    name: str,
    model: dict,
    seeds: list,
    compute: dict,
    threads: Threads,
    gpu: Gpu,
) -> None:
    """From a data set and a model entry to trained networks, their histories and records.

    ``cores`` are checkpoints, or a published file, with the cores that the model starts from
    (``v1lib.transfer``); ``tuned`` are the penalties that a search has chosen for it, if one has
    (``v1lib.penalties``). ``compute`` holds what decides where and how, not what: device (auto,
    cuda, cpu), stacked (auto: on a GPU), seconds_between_saves, and resident_gb, beyond which data
    are streamed to the device instead of being kept there.
    """
    device = choose_device(compute["device"], gpu, threads)
    data = open_data_set(recording)
    environment = environment_of(sha256_of(recording), str(device), threads)
    chosen = penalties_of(model, tuned)
    plans = plan_runs(data, model, seeds, penalties=chosen)
    samples = samples_of(data, plans[0].training.get("samples", "images"))
    networks = [initial_model(data, plan) for plan in plans]
    start_from_cores(networks, plans, model.get("core"), cores)
    runs = [
        Run(plan, network, [samples[part.name] for part in plan.parts])
        for plan, network in zip(plans, networks, strict=True)
    ]
    log.info("%s on %s: %d runs", name, data.name, len(runs))

    identity = {"model": model, "seeds": seeds, "stacked": _stacked(compute, device)}
    identity |= {"penalties": chosen, "cores": [sha256_of(path) for path in cores]}
    identity |= {"code": sha256_of_code(Path(__file__).parent)}
    resume = ResumeFile(checkpoint.with_suffix(".resume"), identity | environment)
    fit(
        runs,
        device=device,
        stacked=_stacked(compute, device),
        resume=resume,
        seconds_between_saves=compute["seconds_between_saves"],
        resident_bytes=compute["resident_gb"] * 1e9,
    )

    write_block(
        BlockFiles(checkpoint, history, record),
        data,
        model=name,
        plans=plans,
        results=[run.result for run in runs],
        environment=environment,
        device=device,
    )
    resume.remove()


def _stacked(compute: dict, device: torch.device) -> bool:
    wish = compute["stacked"]
    return device.type == "cuda" if wish == "auto" else wish
