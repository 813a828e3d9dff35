"""Count the parameters of a core and of several readouts, as they are built for a data set."""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import nn

from v1lib.files import write_csv
from v1lib.models import build_model
from v1lib.recording import RecordingInfo, ScanInfo
from v1lib.scans import Scan, open_scans
from v1lib.steps import Input, Output

log = logging.getLogger(__name__)


def main(*, recording: Input, counts: Output, model: dict, readouts: dict) -> None:
    """From the sizes of a data set of scans to one row of counts per readout, largest first.

    ``model``: ``build`` and ``params`` of a model with a core and readouts; ``readouts``: by name,
    what takes the place of ``params.readout``. Networks are built for all neurons without memory
    for their weights (a fully connected readout of thousands of neurons would fill it).

    Columns: channels, height and width of the feature maps; n_neurons of all scans; ``core``,
    parameters of the core; per_neuron, what one more neuron adds; bias_per_neuron, how many of
    these are output biases; ``shared``, what all neurons of a readout have in common; population,
    parameters of the readouts of all neurons.
    """
    scans = open_scans(recording)
    rows = []
    for name, readout in readouts.items():
        entry = model | {"params": model["params"] | {"readout": readout}}
        rows.append({"readout": name, "kind": readout["kind"]} | counted(entry, scans))
        log.info("%s: %s", name, rows[-1])
    first = next(iter(scans.values()))
    table = pd.DataFrame(rows).sort_values("per_neuron", ascending=False, kind="stable")
    table["source_kind"] = first.source_kind
    table.insert(0, "dataset", first.dataset)
    write_csv(table, counts)


def counted(entry: dict, scans: Mapping[str, Scan]) -> dict[str, int]:
    """Numbers of parameters of a model for these scans, as columns of the table.

    Args:
        entry: ``build`` and ``params``.
        scans: whose neurons are predicted; the last one needs two.
    """
    network = _built(entry, scans)
    smaller = _built(entry, scans, n_left_out=1)
    n_neurons = sum(scan.n_neurons for scan in scans.values())
    population = _n_parameters(network.readouts)
    per_neuron = population - _n_parameters(smaller.readouts)
    biases = [readout.bias for readout in network.readouts.values()]
    height, width = network.core.map_size(*_size_px(scans))
    return {
        "channels": network.core.n_features,
        "height": height,
        "width": width,
        "n_neurons": n_neurons,
        "core": _n_parameters(network.core),
        "per_neuron": per_neuron,
        "bias_per_neuron": sum(bias.numel() for bias in biases) // n_neurons,
        "shared": population - n_neurons * per_neuron,
        "population": population,
    }


def _built(entry: dict, scans: Mapping[str, Scan], *, n_left_out: int = 0) -> nn.Module:
    """The network, on a device that knows shapes alone; without the last neurons if asked."""
    last = list(scans)[-1]
    infos = tuple(
        _info(scan, scan.n_neurons - n_left_out * (name == last)) for name, scan in scans.items()
    )
    info = RecordingInfo(
        stimulus_shape=(1, *_size_px(scans)),
        n_neurons=sum(scan.n_neurons for scan in infos),
        mean_response=np.concatenate([scan.mean_response for scan in infos]),
        scans=infos,
    )
    with torch.device("meta"):
        return build_model(entry["build"], info, entry["params"])


def _info(scan: Scan, n_neurons: int) -> ScanInfo:
    """The first neurons of a scan; what they respond decides no shape."""
    return ScanInfo(
        name=scan.name,
        mean_response=np.zeros(n_neurons, dtype=np.float32),
        neuron_position=scan.neuron_position[:n_neurons],
        image_mean=scan.facts.image_mean,
        image_sd=scan.facts.image_sd,
    )


def _size_px(scans: Mapping[str, Scan]) -> tuple[int, int]:
    return next(iter(scans.values())).stimuli.shape[-2:]


def _n_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
