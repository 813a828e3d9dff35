"""What the benchmarks of training share: time of a block of runs, and how results are written."""

import argparse
import platform
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch

from v1lib.data_sets import of_recording
from v1lib.recording import Recording
from v1lib.runs import initial_model, plan_runs
from v1lib.samples import samples_of
from v1lib.training import fit
from v1lib.training_run import Run
from v1lib.training_state import ResumeFile


def block_seconds(
    recording: Recording, model: dict, size: int, *, samples: str, device: str, stacked: bool
) -> float:
    """Seconds per step and run, evaluations included: processor time, on a GPU wall time.

    ``model`` is an entry of the configuration whose ``max_steps`` are made; ``samples`` a kind of
    ``v1lib.samples``.
    """
    clock = time.process_time if device == "cpu" else time.perf_counter
    data = of_recording(recording)
    pairs = samples_of(data, samples)
    plans = plan_runs(data, model, list(range(size)))
    runs = [Run(plan, initial_model(data, plan), [pairs[plan.session]]) for plan in plans]
    for layer in (layer for run in runs for layer in run.module.modules()):
        if hasattr(layer, "fused"):  # as in a run of full length; stacks compute by PyTorch
            layer.fused = device == "cpu" and not stacked
    start = clock()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            runs,
            device=torch.device(device),
            stacked=stacked,
            resume=ResumeFile(Path(folder) / "resume", {}),
        )
    return (clock() - start) / size / model["training"]["max_steps"]


def options(description: str, *, rounds: int) -> argparse.Namespace:
    """The command line: gpu, rounds."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--gpu", action="store_true", help="measure blocks on the GPU as well")
    parser.add_argument("--rounds", type=int, default=rounds, help="turns of each variant")
    return parser.parse_args()


def write_tables(tables: dict[str, pd.DataFrame], paper: str) -> None:
    """Print the tables and write ``results/<paper>_training_<name>.csv``."""
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{paper}_training_{name}.csv", index=False, float_format="%.4g")
        print(table.to_string(index=False, float_format="{:.3g}".format), "\n")
    print(f"torch {torch.__version__}, {platform.processor() or platform.machine()}")
