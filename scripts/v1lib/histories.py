"""Training histories as one tidy table per block."""

from pathlib import Path

import pandas as pd

from v1lib.files import write_csv
from v1lib.recording import Recording
from v1lib.runs import RunPlan, RunResult

COLUMNS = [
    "dataset",
    "model",
    "seed",
    "session",
    "step",
    "train_loss",
    "validation_loss",
    "test_loss",
    "test_correlation",
    "source_kind",
]


def write_history(
    path: Path, recording: Recording, model: str, plans: list[RunPlan], results: list[RunResult]
) -> None:
    """One row per run and evaluation; ``test_correlation`` is the mean r, undefined r as 0."""
    rows = [
        row
        | {
            "dataset": recording.dataset,
            "model": model,
            "seed": plan.seed,
            "session": plan.session,
            "source_kind": recording.source_kind,
        }
        for plan, result in zip(plans, results, strict=True)
        for row in result.history
    ]
    write_csv(pd.DataFrame(rows, columns=COLUMNS), path)
