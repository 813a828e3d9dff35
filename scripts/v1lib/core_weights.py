"""Weights of a trained core in the layout of the published file of Lurz et al. 2021.

The published file is a state dictionary of a whole model, whose core has the prefix ``core.``; a
bare core without that prefix is read as well. Source: reference section 2.8.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from v1lib.cores import ConvolutionalCore
from v1lib.weight_files import read_weights, require_shapes

PREFIX = "core."
_LAYER = re.compile(r"features\.layer(\d+)\.(.+)")
PARTS = {  # of a layer: published name, ours
    "conv.weight": "conv.weight",
    "ds_conv.in_depth_conv.weight": "conv.in_depth.weight",
    "ds_conv.spatial_conv.weight": "conv.spatial.weight",
    "ds_conv.out_depth_conv.weight": "conv.out_depth.weight",
    "norm.weight": "norm.gain",
    "norm.bias": "norm.bias",
    "norm.running_mean": "norm.running_mean",
    "norm.running_var": "norm.running_var",
}
_SETTINGS = "the settings of the core must be those it was trained with"
_NOT_NEEDED = re.compile(r".*\.num_batches_tracked|_input_weights_regularizer\..*")


def load_core(core: ConvolutionalCore, path: Path) -> None:
    """Fill a core, batch-norm statistics included, from a file; readouts in it are ignored.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no dictionary of tensors, or does not hold a core of this shape; the
            message names file and weight.
    """
    stored = from_published(read_weights(path, what="the weights of a core"), path)
    needed = core.state_dict()
    if more := sorted(set(stored) - set(needed)):
        raise ValueError(f"{path}: {more[0]} is a weight that this core does not have; {_SETTINGS}")
    require_shapes(needed, stored, where=str(path), otherwise=_SETTINGS)
    core.load_state_dict(stored)


def from_published(stored: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The core's weights under our names; ``path`` is for messages.

    Raises:
        ValueError: a weight of the core has an unknown name, or there is none.
    """
    has_prefix = any(name.startswith(PREFIX) for name in stored)
    ours = {}
    for name, value in stored.items():
        if has_prefix and not name.startswith(PREFIX):
            continue
        name = name.removeprefix(PREFIX)
        if _NOT_NEEDED.fullmatch(name):
            continue
        layer = _LAYER.fullmatch(name)
        if not layer or layer[2] not in PARTS:
            raise ValueError(f"{path}: weight {name!r} belongs to no core of this kind")
        ours[f"layers.{layer[1]}.{PARTS[layer[2]]}"] = value
    if not ours:
        raise ValueError(f"{path}: holds no weights of a core")
    return ours
