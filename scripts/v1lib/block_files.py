"""The files that training a block of runs leaves: networks, histories, records."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch

from v1lib.data_sets import DataSet, Group
from v1lib.files import atomic, write_csv, write_json
from v1lib.runs import NO_WEIGHTS, Part, RunPlan, RunResult, peak_memory_mb, record_of

HISTORY_COLUMNS = [
    *("dataset", "model", "seed", "session", "step"),
    *("train_loss", "validation_loss"),
    *("validation_correlation", "validation_accuracy"),
    *("test_loss", "test_correlation"),
    *("learning_rate", "source_kind"),
]


@dataclass(frozen=True)
class BlockFiles:
    """Where the files of a block go.

    Attributes:
        checkpoint: networks, a plain dict loadable with ``weights_only=True``.
        history: table, one row per run and evaluation; ``test_correlation`` is the mean r over
            neurons with undefined r as 0.
        record: JSON, one record per run.
    """

    checkpoint: Path
    history: Path
    record: Path


def write_block(
    files: BlockFiles,
    data: DataSet,
    *,
    model: str,
    plans: list[RunPlan],
    results: list[RunResult],
    environment: dict,
    device: torch.device,
) -> None:
    """Write the three files of a block; ``environment`` goes into every record."""
    save_checkpoint(files.checkpoint, data, model, plans, results)
    _write_history(files.history, data, model, plans, results)
    records = [
        record_of(data, plan, model, environment)
        | {"status": result.status, "reason": result.reason}
        | result.record
        | peak_memory_mb(device)
        for plan, result in zip(plans, results, strict=True)
    ]
    write_json(records, files.record)


def save_checkpoint(
    path: Path, data: DataSet, model: str, plans: list[RunPlan], results: list[RunResult]
) -> None:
    """Write the networks of a block; ``v1lib.models.load_models`` reads them back."""
    members = []
    for plan, result in zip(plans, results, strict=True):
        if result.status == NO_WEIGHTS:
            continue  # there are many of them, and nothing to predict with
        groups = data.together[plan.session]
        member = asdict(plan) | {"state_dict": result.state_dict, "status": result.status}
        member["parts"] = [_part(*pair) for pair in zip(plan.parts, groups, strict=True)]
        # Not all of the record: the same training gives the same bytes, whatever time it took.
        member["record"] = {k: v for k, v in result.record.items() if k.startswith("best_")}
        members.append(member)
    content = {
        "dataset": data.name,
        "model": model,
        "source_kind": data.source_kind,
        "stimulus_shape": list(data.stimulus_shape),
        "background": data.background,
        "classes": None if data.classes is None else list(data.classes),
        "members": members,
    }
    with atomic(path) as part:
        torch.save(content, part)


def _part(part: Part, group: Group) -> dict:
    """What is kept of a session or scan; match ids decide how readouts share features."""
    ids = group.recorded.match_id[part.neuron_index] if group.is_scan else None
    return {
        "name": part.name,
        "neuron_index": part.neuron_index.tolist(),
        "split": part.split.tolist(),
        "match_id": None if ids is None or (ids < 0).any() else ids.tolist(),
    }


def _write_history(
    path: Path, data: DataSet, model: str, plans: list[RunPlan], results: list[RunResult]
) -> None:
    rows = [
        row
        | {
            "dataset": data.name,
            "model": model,
            "seed": plan.seed,
            "session": plan.session,
            "source_kind": data.source_kind,
        }
        for plan, result in zip(plans, results, strict=True)
        for row in result.history
    ]
    write_csv(pd.DataFrame(rows, columns=HISTORY_COLUMNS), path)
