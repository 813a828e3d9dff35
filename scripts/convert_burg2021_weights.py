"""Convert the published networks of one model of Burg et al. 2021 to a block of trained runs."""

import logging
from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch

from v1lib.archives import extract, read_members
from v1lib.block_files import BlockFiles, write_block
from v1lib.burg2021_weights import (
    CHECKPOINT,
    PublishedRun,
    checkpoints_in,
    network_weights,
    published_fev,
    published_runs,
)
from v1lib.data_sets import of_recording
from v1lib.files import folder_beside, sha256_of
from v1lib.recording import load_recording
from v1lib.runs import NO_WEIGHTS, RunPlan, RunResult, environment_of, initial_model, plan_runs
from v1lib.steps import Input, Output
from v1lib.tensorflow_checkpoint import Checkpoint

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    archive: Input,
    checkpoint: Output,
    history: Output,
    record: Output,
    name: str,
    model: dict,
    seeds: list,
) -> None:
    """From an archive of published weights to the files that training leaves.

    The seed of a run is its number in the authors' search. Runs without a checkpoint in the
    archive are in the records alone, with status "no weights" or, without a result, "failed".
    """
    data = of_recording(load_recording(recording))
    runs, fev = _read_tables(archive, seeds)
    plans = plan_runs(data, model, [run.number for run in runs])
    expected = initial_model(data, plans[0]).state_dict()
    with folder_beside(checkpoint) as scratch:
        extract(archive, scratch / "runs", f"run-*/{CHECKPOINT}.*")
        found = checkpoints_in(scratch / "runs")
        _check_found(archive, found, runs)
        results = [
            _result(run, found.get(run.number), expected, fev.get(run.number)) for run in runs
        ]
    log.info("%s: %d runs, %d of them with weights", archive, len(runs), len(found))
    write_block(
        BlockFiles(checkpoint, history, record),
        data,
        model=name,
        plans=[_as_published(plan, run, archive) for plan, run in zip(plans, runs, strict=True)],
        results=results,
        environment=environment_of(sha256_of(recording), "cpu", 1)
        | {"archive": archive.name, "archive_sha256": sha256_of(archive)},
        device=torch.device("cpu"),
    )


def _read_tables(archive: Path, seeds: list[int]) -> tuple[list[PublishedRun], dict[int, float]]:
    """All runs of the search, and the published FEV of those of which it is known."""
    members = read_members(archive, "*.csv")
    tables = {PurePosixPath(path).name: (path, text) for path, text in members.items()}
    if "results.csv" not in tables:
        raise ValueError(f"{archive} has no results.csv; it has the tables {sorted(members)}")
    path, text = tables["results.csv"]
    runs = published_runs(text, f"{archive}: {path}")
    if not {run.number for run in runs} <= set(seeds):
        n_runs = runs[-1].number + 1
        raise ValueError(
            f"{archive}: {path} has runs up to number {n_runs - 1}, the block of this model ends "
            f"with {max(seeds)}; set its number under compute.seeds_per_job, and the seeds of its "
            f"run under papers.burg2021.runs, to {n_runs}"
        )
    if "df_best.csv" not in tables:
        return runs, {}
    path, text = tables["df_best.csv"]
    return runs, published_fev(text, f"{archive}: {path}")


def _check_found(archive: Path, found: dict[int, Checkpoint], runs: list[PublishedRun]) -> None:
    if not found:
        raise ValueError(f"{archive} has no checkpoint run-<number>/{CHECKPOINT}.index")
    if unknown := set(found) - {run.number for run in runs}:
        raise ValueError(f"{archive}: run {min(unknown)} has weights but no row in results.csv")


def _result(
    run: PublishedRun, checkpoint: Checkpoint | None, expected: dict, fev: float | None
) -> RunResult:
    """What is left of a run; ``fev`` is the published one, if known."""
    told = {"published_validation_correlation": run.validation_correlation, **run.others}
    if fev is not None:
        told["published_fev"] = fev
    if checkpoint is not None:
        return RunResult("ok", state_dict=_weights(checkpoint, expected), record=told)
    if run.failed:
        return RunResult("failed", "no result in the published table", record=told)
    return RunResult(NO_WEIGHTS, "weights of this run were not published", record=told)


def _weights(checkpoint: Checkpoint, expected: dict[str, torch.Tensor]) -> dict:
    """The weights of a checkpoint, which must be those of the network with state ``expected``."""
    state = network_weights(checkpoint)
    shapes, wanted = ({k: tuple(v.shape) for k, v in s.items()} for s in (state, expected))
    for name in sorted(shapes.keys() | wanted.keys()):
        if shapes.get(name) != wanted.get(name):
            raise ValueError(
                f"{checkpoint.index}: {name} has shape {shapes.get(name, 'none')}, the model on "
                f"this recording has {wanted.get(name, 'none')}; check the model's build and "
                "params, and the data set (number of neurons, crop)"
            )
    return state


def _as_published(plan: RunPlan, run: PublishedRun, archive: Path) -> RunPlan:
    """The plan of a run with what was drawn for it; how its weights started is not known."""
    size = plan.params.get("pool", {}).get("average_size")
    if size is not None and run.average_sizes - {size}:
        raise ValueError(
            f"{archive}: run {run.number} averages responses over {sorted(run.average_sizes)} px, "
            f"params.pool.average_size of the model is {size}"
        )
    params = plan.params | {"penalties": plan.params["penalties"] | run.draw}
    return replace(plan, params=params, draw=run.draw, seeds={})
