"""Training steps of a network in a process of its own, asked for over standard input and output.

One process for each variant keeps their peaks of memory apart; their steps can still take turns.
Imported by two interpreters, so it needs nothing but PyTorch and NumPy. Requests and answers are
lines of JSON.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


class Served(NamedTuple):
    """What a process can be asked for.

    Attributes:
        predict: responses without noise, [n, n_neurons].
        step: makes a training step on the same batch again and returns its loss.
    """

    predict: Callable[[], Tensor]
    step: Callable[[], Tensor]


def serve(build: Callable[[dict], Served]) -> None:
    """Build what the first argument of the command line describes, and answer until told to end."""
    setting = json.loads(sys.argv[1])
    served = build(setting)
    _answer({"start_mb": peak_mb()})
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["for"] == "prediction":
            np.save(asked["file"], served.predict().cpu().numpy())
            _answer({})
        elif asked["for"] == "losses":
            _answer({"losses": [_seeded_loss(served, seed) for seed in range(asked["n"])]})
        elif asked["for"] == "step":
            _answer(_timed(served, setting["device"]))
        elif asked["for"] == "memory":
            on_gpu = setting["device"] == "cuda"
            peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else peak_mb()
            _answer({"peak_mb": peak})


def peak_mb() -> float:
    """The largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_UNIT / 2**20


def _seeded_loss(served: Served, seed: int) -> float:
    torch.manual_seed(seed)
    return float(served.step())


def _timed(served: Served, device: str) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    served.step()
    if device == "cuda":
        torch.cuda.synchronize()
    return {
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processor,
    }


def _answer(content: dict) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


class Process:
    """Another process that serves.

    Args:
        python: its interpreter.
        script: what it runs.
        setting: for ``build``; "device" among it.

    Attributes:
        start_mb: memory before its first step.
    """

    def __init__(self, python: str, script: Path, setting: dict) -> None:
        self.process = subprocess.Popen(
            [python, str(script), json.dumps(setting)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.start_mb = self._read()["start_mb"]

    def ask(self, what: str, **more: object) -> dict:
        """Send a request and wait for its answer.

        Raises:
            RuntimeError: the process has died; what it said stands on its standard error.
        """
        self.process.stdin.write(json.dumps({"for": what} | more) + "\n")
        self.process.stdin.flush()
        return self._read()

    def end(self) -> None:
        """Let it end and wait for that."""
        self.process.communicate()

    def _read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self.process.args[:2])} ended by {self.process.wait()}")
        return json.loads(line)
