"""Training speed and memory of the networks of Lurz et al. 2021, beside neuralpredictors.

    PYTHONPATH=scripts:tests python benchmarks/lurz2021_training.py [--gpu] [--rounds N]
        [--neuralpredictors PYTHON]

One step of core and Gaussian or factorised readout at the size of the paper: 64 images of 36 x 64
px, 64 channels, 5,335 neurons. PYTHON is an interpreter with the public package neuralpredictors
(``benchmarks/requirements.txt``); without it this project is only set beside itself on PyTorch's
own operations. Each variant runs in a process of its own, from the same weights; before they take
turns, their predictions and their first training losses are compared. "buffers kept" gives the
package this project's settings of the C library's memory. On a GPU also networks side by side
(image subsets), in seconds per network. Images and responses are noise.

Writes results/lurz2021_training.csv beside this file: medians over the rounds; memory is the peak
of resident memory, on a GPU of the memory of its tensors.
"""

import argparse
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lurznetwork import (
    LEARNING_RATE,
    N_NEURONS,
    N_TRIALS,
    PENALTIES,
    READOUTS,
    SCAN,
    SHAPE,
    batch_of_noise,
    cortical_positions,
    network_of,
)
from stepping import Process

from published_cores import to_published
from v1lib.models.lurz2021 import Network

HERE = Path(__file__).resolve().parent
PACKAGE = "neuralpredictors"
SIDE_BY_SIDE = (5, 10)  # image subsets


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", action="store_true", help="measure on the GPU as well")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each variant")
    parser.add_argument("--neuralpredictors", metavar="PYTHON", help="interpreter that has it")
    return parser.parse_args()


def published_weights(network: Network, readout: str) -> dict[str, np.ndarray]:
    """Weights under the names and in the layouts of neuralpredictors."""
    state = to_published(network.core.state_dict())
    ours = network.readouts[SCAN].state_dict()
    if readout == "gaussian":
        renamed = {
            "sigma": ours["sigma"][None],
            "_features": ours["features.weight"].T[None, :, None],
            "mu_transform.0.weight": ours["positions.network.0.weight"],
            "mu_transform.0.bias": ours["positions.network.0.bias"],
            "source_grid": ours["positions.coordinates"],
        }
    else:
        size = network.core.map_size(*SHAPE[1:])
        masks = ours["mask"].T.reshape(-1, *size)
        renamed = {"spatial": masks, "_features": ours["features.weight"]}
    renamed |= {"bias": ours["bias"]}
    state |= {f"readout.{name}": value for name, value in renamed.items()}
    return {name: value.contiguous().numpy() for name, value in state.items()}


def write_data(path: Path, network: Network, readout: str) -> None:
    """What the other interpreter needs."""
    images, responses = batch_of_noise(N_NEURONS)
    arrays = {"images": images.numpy(), "responses": responses.numpy()}
    arrays |= {"positions": cortical_positions(N_NEURONS)} | published_weights(network, readout)
    np.savez(path, **arrays)


def processes(
    readout: str, threads: int, device: str, data: Path, python: str | None
) -> dict[str, Process]:
    """All variants, started; the first one is what the others are set beside."""
    setting = {"readout": readout, "threads": threads, "device": device}
    network = network_of(readout, N_NEURONS)
    maps = [network.core.n_features, *network.core.map_size(*SHAPE[1:])]
    started = {}
    if python is not None:
        write_data(data, network, readout)
        theirs = {"data": str(data), "maps": maps, "learning_rate": LEARNING_RATE}
        theirs |= {"n_trials": N_TRIALS, "gamma_readout": PENALTIES[readout]["readout"]}
        script = HERE / "lurzpackage.py"
        kept = {PACKAGE: False} | ({f"{PACKAGE}, buffers kept": True} if device == "cpu" else {})
        for name, keep_memory in kept.items():
            started[name] = Process(python, script, setting | theirs | {"keep_memory": keep_memory})
    ours = {"this project, PyTorch's operations": (1, False), "this project": (1, True)}
    if device == "cuda":  # where all operations are PyTorch's
        ours = {"this project": (1, True)}
        ours |= {f"this project, {n} networks side by side": (n, True) for n in SIDE_BY_SIDE}
    for name, (n, kernels) in ours.items():
        mine = setting | {"networks": n, "kernels": kernels}
        started[name] = Process(sys.executable, HERE / "lurznetwork.py", mine)
    return started


def compare(variants: dict[str, Process], folder: Path, n_steps: int = 3) -> None:
    """The same function of the same weights, and the same losses of the first steps.

    Raises:
        AssertionError: they differ by more than rounding.
    """
    single = {name: process for name, process in variants.items() if "side by side" not in name}
    predictions, losses = {}, {}
    for number, (name, process) in enumerate(single.items()):
        file = folder / f"prediction{number}.npy"
        process.ask("prediction", file=str(file))
        predictions[name] = np.load(file)
        losses[name] = process.ask("losses", n=n_steps)["losses"]
    first = next(iter(single))
    for name in single:
        difference = f"{name} differs from {first}"
        np.testing.assert_allclose(
            predictions[name], predictions[first], rtol=1e-3, atol=1e-4, err_msg=difference
        )
        np.testing.assert_allclose(losses[name], losses[first], rtol=1e-3, err_msg=difference)


def measure(variants: dict[str, Process], n_rounds: int) -> pd.DataFrame:
    """Medians of each variant, in turns; the first turn warms up."""
    taken: dict[str, list] = {name: [] for name in variants}
    for number in range(n_rounds + 1):
        for name, process in variants.items():
            found = process.ask("step")
            if number:
                taken[name].append((found["seconds"], found["processor_seconds"]))
    rows = []
    for name, times in taken.items():
        seconds, processor = np.median(times, axis=0)
        memory = variants[name].ask("memory")
        n = int(name.split()[2]) if "side by side" in name else 1
        row = {"variant": name, "seconds_per_step": seconds / n}
        row |= {"processor_seconds_per_step": processor / n}
        row |= {"start_mb": variants[name].start_mb, **memory}
        rows.append(row)
    table = pd.DataFrame(rows)
    faster = table.seconds_per_step.iloc[0] / table.seconds_per_step
    return table.assign(
        times_faster=faster,
        quartile_seconds=[np.quantile([t[0] for t in v], 0.25) for v in taken.values()],
        share_of_peak_memory=table.peak_mb / table.peak_mb.iloc[0],
    )


def main() -> None:
    """Measure, print, write."""
    given = options()
    tables = []
    for readout in READOUTS:
        for device, threads in [("cpu", 1), ("cpu", 2)] + [("cuda", 2)] * given.gpu:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                data = folder / "data.npz"
                variants = processes(readout, threads, device, data, given.neuralpredictors)
                try:
                    compare(variants, folder)
                    table = measure(variants, given.rounds)
                finally:
                    for process in variants.values():
                        process.end()
            place = {"readout": readout, "device": device, "threads": threads}
            tables.append(pd.DataFrame([place] * len(table)).join(table))
    table = pd.concat(tables).assign(
        torch=torch.__version__, processor=platform.processor() or platform.machine()
    )
    path = HERE / "results" / "lurz2021_training.csv"
    table.to_csv(path, index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
