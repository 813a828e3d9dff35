"""Count the parameters of classifiers as they are built, at a size of one's choice."""

import logging

import pandas as pd
from torch import nn

from v1lib.center_surround import CenterSurroundConvolution
from v1lib.channel_normalization import TunedNormalization
from v1lib.files import write_csv
from v1lib.models import ClassifierInfo, build_model
from v1lib.steps import Output

log = logging.getLogger(__name__)


def main(*, counts: Output, models: dict, size: dict, n_classes: int, stimulus_shape: list) -> None:
    """From the settings of networks to one row of counts each.

    ``models``: by name, ``build`` and ``params``; ``size``: what takes the place of their
    parameters of that name, such as blocks and width; ``stimulus_shape``: channels, height, width.
    Nothing is trained, and ``frozen`` has no say: all parameters are counted.

    Columns: n_trainable, all parameters of the network; n_constant, numbers that the published
    code stores as parameters and never changes (tables of distances, biases that stay 0), which are
    no parameters here; n_total, both.
    """
    info = ClassifierInfo(n_classes, tuple(stimulus_shape))
    rows = []
    for name, entry in models.items():
        network = build_model(entry["build"], info, entry["params"] | size)
        n_trainable = sum(parameter.numel() for parameter in network.parameters())
        found = {"n_trainable": n_trainable, "n_constant": n_constants(network)}
        rows.append({"model": name, **found, "n_total": sum(found.values())})
        log.info("%s: %s", name, found)
    about = {"n_classes": n_classes, "size_px": stimulus_shape[-1]}
    write_csv(pd.DataFrame(rows).assign(**about), counts)


def n_constants(network: nn.Module) -> int:
    """Constants of a network that the published code counts as parameters (reference 3.2).

    A table of squared distances and a bias for each filtered channel in every center-surround
    layer, a table of channel distances in every tuned normalization.
    """
    found = 0
    for module in network.modules():
        if isinstance(module, CenterSurroundConvolution):
            found += module.filter.square_distance.numel() + module.filter.n_channels
        elif isinstance(module, TunedNormalization):
            found += module.distance.numel()
    return found
