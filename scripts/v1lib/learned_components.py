"""What the components of early vision have learned: their parameters before and after training.

Parameters are given as they take effect, behind the bounds of the layers. Definitions: Pogoncheff
et al. 2023, reference section 1.4 (P5); layers: ``v1lib.center_surround`` and
``v1lib.channel_normalization``.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from v1lib.center_surround import MIN_CENTER, MIN_RATIO, DifferenceOfGaussians
from v1lib.channel_normalization import (
    MIN_VARIANCE,
    MIN_WIDTH,
    TunedNormalization,
    UntunedNormalization,
)
from v1lib.component_tables import FULL_WIDTH


class Learned(NamedTuple):
    """One kind of parameter in one block of the first stage.

    Attributes:
        block: its number, from 0.
        component: center_surround, tuned or untuned.
        parameter: a key of the functions below.
        found: float64 [n_units].
    """

    block: int
    component: str
    parameter: str
    found: np.ndarray


def of_center_surround(layer: DifferenceOfGaussians) -> dict[str, Tensor]:
    """Parameters of differences of Gaussians, [n_channels ** 2] each, n_channels * out + in.

    ``sigma_1`` is the scale of the center in squared places of the map (the Gaussian is
    exp(-r^2 / sigma_1)), ``ratio`` that of the surround over it; ``amplitude`` has its sign.
    """
    return {
        "sigma_1": layer.center.clamp(min=MIN_CENTER),
        "ratio": layer.ratio.clamp(min=MIN_RATIO),
        "amplitude": layer.amplitude,
    }


def of_tuned(layer: TunedNormalization) -> dict[str, Tensor]:
    """Standard deviation and full width at half maximum of the pools, in channels, [n_channels]."""
    width = layer.width.clamp(min=MIN_WIDTH)
    return {"width": width, "fwhm": FULL_WIDTH * width}


def of_untuned(layer: UntunedNormalization) -> dict[str, Tensor]:
    """Parameters of dense pools.

    ``width`` [2 * n_channels ** 2]: standard deviations of the Gaussians in places of the map, of
    all pairs of channels along their first axis (rho), then along their second (sigma).
    ``amplitude`` [n_channels]: mean over the sources of abs(A), the sum of a Gaussian over an
    unbounded plane. ``bias`` [1]: abs(b).
    """
    spread = torch.stack([layer.rho, layer.sigma])
    return {
        "width": spread.square().clamp(min=MIN_VARIANCE).sqrt().flatten(),
        "amplitude": layer.amplitude.abs().mean(1),
        "bias": layer.bias.abs(),
    }


_COMPONENTS = {
    "center_surround": (DifferenceOfGaussians, of_center_surround),
    "tuned": (TunedNormalization, of_tuned),
    "untuned": (UntunedNormalization, of_untuned),
}


@torch.no_grad()
def learned_in(network: nn.Module) -> Iterator[Learned]:
    """All parameters of components in the blocks of the first stage, ``layer1``, of a network."""
    for block, content in enumerate(network.layer1):
        for module in content.modules():
            for component, (kind, parameters_of) in _COMPONENTS.items():
                if isinstance(module, kind):
                    for parameter, values in parameters_of(module).items():
                        yield Learned(block, component, parameter, values.double().cpu().numpy())


def before_and_after(initial: nn.Module, trained: nn.Module) -> pd.DataFrame:
    """Parameters of two states of one network.

    Returns:
        Columns block, component, parameter, unit, before, after; see ``Learned``. Empty for a
        network without components.
    """
    tables = [
        pd.DataFrame(
            {
                "block": first.block,
                "component": first.component,
                "parameter": first.parameter,
                "unit": np.arange(len(first.found)),
                "before": first.found,
                "after": last.found,
            }
        )
        for first, last in zip(learned_in(initial), learned_in(trained), strict=True)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
