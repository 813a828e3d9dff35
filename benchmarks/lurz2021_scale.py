"""Memory and time of training on scans of any size, streamed from memory-mapped files.

    PYTHONPATH=scripts python benchmarks/lurz2021_scale.py [--limit MIB] [--threads N]
        [--folder FOLDER]

Scans of noise with up to ten times the neurons of the paper, and up to four times the images, are
written to a folder (8 GB altogether, removed afterwards). A process of its own may have LIMIT MiB
of memory, mapped files not counted, and passes once through all trials in random order by
``v1lib.scans.read_batches``, then makes training steps (core and Gaussian readout) while the next
batches are read. More than the limit ends it, so that scans above it show that they are not loaded.

Writes results/lurz2021_scale.csv beside this file. ``own_peak_mb`` is the largest memory of the
process that is no file, ``own_data_mb`` the part of it that reading alone takes (above that of the
libraries); ``file_mb`` are pages of mapped files, which the system takes back when memory is short.
Linux only.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lurznetwork import BATCH, N_TRIALS, SHAPE, cortical_positions, network_of, stepper

from v1lib.device import choose_device
from v1lib.scans import Scan, ScanFacts, new_scans, open_scans, read_batches

# Neurons and images: those of the paper's scan, fewer, and more.
CASES = [(1000, 6000), (5335, 1500), (5335, 6000), (5335, 24000)]
CASES += [(20000, 6000), (53350, 1500), (53350, 6000), (53350, 24000)]
N_STEPS = 8
ROWS_OF_NOISE = 256  # repeated, so that large scans are quickly written


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=2048, help="MiB of a process, without files")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where scans are written; on a disk")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # the scan of a process
    return parser.parse_args()


def write_scan(folder: Path, n_neurons: int, n_images: int) -> None:
    """A scan in which every image was shown once."""
    rng = np.random.default_rng(0)
    arrays = {
        "image_index": np.arange(n_images),
        "trial": np.arange(n_images),
        "split": np.full(n_images, "train"),
        "image_id": np.arange(n_images),
        "image_class": np.full(n_images, "noise"),
        "neuron_position": cortical_positions(n_neurons),
        "unit_id": np.arange(n_neurons),
        "match_id": np.full(n_neurons, -1),
        "layer": np.full(n_neurons, "L2/3"),
        "response_sd": np.ones(n_neurons),
        "precision": np.ones(n_neurons),
    }
    facts = ScanFacts("1-1-1-0", N_TRIALS, 127.5, 73.6, "noise")
    grey = rng.uniform(0, 255, (ROWS_OF_NOISE, *SHAPE)).astype(np.float32)
    noise = rng.exponential(1.0, (ROWS_OF_NOISE, n_neurons)).astype(np.float32)
    with (
        new_scans(folder, dataset="benchmark", source_kind="simulated") as writer,
        writer.scan(facts, arrays, SHAPE[1:]) as (stimuli, responses),
    ):
        for first in range(0, n_images, ROWS_OF_NOISE):
            n = min(ROWS_OF_NOISE, n_images - first)
            stimuli[first : first + n], responses[first : first + n] = grey[:n], noise[:n]


def memory_mb() -> dict[str, float]:
    """Memory of this process, MiB: its own, and pages of mapped files.

    ``choose_device`` lets nothing go back to the system, so what is found after a step is its peak.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return {name: int(found[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}


def batches_of(scan: Scan) -> Iterator[np.ndarray]:
    """Trials in random order, each once."""
    order = np.random.default_rng(0).permutation(scan.trials("train"))
    return iter(np.split(order, range(BATCH, len(order), BATCH)))


def measured(folder: Path, threads: int) -> dict[str, float]:
    """What one process finds about one scan."""
    choose_device("cpu", 0, threads)
    (scan,) = open_scans(folder).values()
    sizes = scan.stimuli.nbytes + scan.responses.nbytes
    at_first, own, file = memory_mb()["RssAnon"], [], []

    def look() -> None:
        now = memory_mb()
        own.append(now["RssAnon"])
        file.append(now["RssFile"])

    start, n_batches = time.perf_counter(), 0
    for _images, _responses in read_batches(scan, batches_of(scan)):
        look()
        n_batches += 1
    read = (time.perf_counter() - start) / n_batches
    while_reading = max(own) - at_first
    step = stepper(network_of("gaussian", scan.n_neurons))
    seconds, alone = [], []
    for number, batch in enumerate(read_batches(scan, batches_of(scan))):
        if number:  # the time of the loop, waiting included; the first step compiles
            seconds.append(time.perf_counter() - start)
        if number > N_STEPS:
            break
        start = time.perf_counter()
        step(*map(torch.as_tensor, batch))
        look()
    for _ in range(N_STEPS):
        start = time.perf_counter()
        step(*map(torch.as_tensor, batch))
        alone.append(time.perf_counter() - start)
    return {
        "neurons": scan.n_neurons,
        "images": len(scan.stimuli),
        "scan_mb": sizes / 2**20,
        "own_peak_mb": max(own),
        "own_data_mb": while_reading,
        "file_mb": max(file),
        "seconds_per_batch": np.median(seconds[1:]),
        "of_it_step_alone": np.median(alone),
        "seconds_to_read_a_batch": read,
    }


def in_a_process(folder: Path, given: argparse.Namespace) -> dict[str, float]:
    """``measured`` in a process that may not have more memory than the limit.

    Raises:
        subprocess.CalledProcessError: it had to.
    """
    size = given.limit * 2**20
    command = [sys.executable, __file__, "--measure", str(folder), "--threads", str(given.threads)]
    done = subprocess.run(
        command,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (size, size)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    """Measure, print, write."""
    given = options()
    if given.measure is not None:
        print(json.dumps(measured(given.measure, given.threads)))
        return
    rows = []
    for n_neurons, n_images in CASES:
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            folder = Path(name) / "scan"
            write_scan(folder, n_neurons, n_images)
            rows.append(in_a_process(folder, given) | {"limit_mb": given.limit})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).assign(
        threads=given.threads,
        torch=torch.__version__,
        processor=platform.processor() or platform.machine(),
    )
    path = Path(__file__).parent / "results" / "lurz2021_scale.csv"
    table.to_csv(path, index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
