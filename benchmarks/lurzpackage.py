"""The same network from the classes of the public package neuralpredictors; serves steps of it.

Run by ``lurz2021_training.py`` with an interpreter that has the package (``requirements.txt`` in
this folder); nothing of this project is imported. The loop is that of the published code: PyTorch's
Adam, summed Poisson loss times the root of trials over batch, penalties added.
"""

import collections
import collections.abc
import ctypes
import sys
import types

import numpy as np
import torch
from stepping import Served, serve
from torch import Tensor, nn

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


class Model(nn.Module):
    """ELU(readout(core(images))) + 1."""

    def __init__(self, core: nn.Module, readout: nn.Module) -> None:
        super().__init__()
        self.core, self.readout = core, readout

    def forward(self, images: Tensor) -> Tensor:
        """[n, 1, h, w] -> [n, n_neurons]."""
        return nn.functional.elu(self.readout(self.core(images))) + 1


def import_package() -> tuple:
    """Its modules of cores, readouts and measures.

    Written for older versions of Python, the package takes ``Iterable`` from where it no longer is;
    of torchvision, which it imports, nothing is used here.
    """
    collections.Iterable = collections.abc.Iterable
    sys.modules.setdefault("torchvision", types.ModuleType("torchvision"))
    from neuralpredictors import measures
    from neuralpredictors.layers import cores, readouts

    return cores, readouts, measures


def model_of(kind: str, shape: list[int], positions: np.ndarray) -> Model:
    """The published settings; shape is that of the feature maps."""
    cores, readouts, _ = import_package()
    core = cores.SE2dCore(
        1,
        shape[0],
        15,
        13,
        layers=4,
        gamma_input=1.0,
        momentum=0.9,
        pad_input=False,
        stack=-1,
        n_se_blocks=0,
        depth_separable=True,
    )
    if kind == "factorised":
        return Model(core, readouts.FullSXF(shape, len(positions), bias=True, normalize=False))
    retinotopy = {"hidden_layers": 0, "hidden_features": 0, "final_tanh": False}
    readout = readouts.FullGaussian2d(
        shape,
        len(positions),
        bias=True,
        init_sigma=0.4,
        grid_mean_predictor=retinotopy,
        source_grid=positions[:, :2],
    )
    return Model(core, readout)


def build(setting: dict) -> Served:
    """What the setting describes: data (a file with images, weights ...), readout, threads, ..."""
    torch.set_num_threads(setting["threads"])
    if setting["keep_memory"]:
        ctypes.CDLL(None).mallopt(M_MMAP_MAX, 0)
        ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    with np.load(setting["data"]) as data:
        given = {name: data[name] for name in data.files}
    model = model_of(setting["readout"], setting["maps"], given.pop("positions"))
    images, responses = (
        torch.as_tensor(given.pop(n)).to(setting["device"]) for n in ("images", "responses")
    )
    missing, unknown = model.load_state_dict(
        {name: torch.as_tensor(value) for name, value in given.items()}, strict=False
    )
    needed = [n for n in missing if not n.endswith(("num_batches_tracked", "laplace.filter"))]
    if unknown or needed:
        raise ValueError(f"weights that do not fit: {unknown}, {needed}")
    model = model.to(setting["device"]).train()
    poisson = import_package()[2].PoissonLoss(avg=False)
    optimiser = torch.optim.Adam(model.parameters(), lr=setting["learning_rate"])
    scale = (setting["n_trials"] / len(images)) ** 0.5
    sparsity = model.readout.l1 if setting["readout"] == "factorised" else model.readout.feature_l1

    def step() -> Tensor:
        optimiser.zero_grad()
        loss = scale * poisson(model(images), responses) + model.core.regularizer()
        loss = loss + setting["gamma_readout"] * sparsity(average=False)
        loss.backward()
        optimiser.step()
        return loss.detach()

    def predict() -> Tensor:
        with torch.no_grad():
            predictions = model.eval()(images)
        model.train()
        return predictions

    return Served(predict, step)


if __name__ == "__main__":
    serve(build)
