"""Linear regression from fixed image features: a core that nothing trains, a linear readout.

The features come from the model's own core; the readout is fitted in closed form or by coordinate
descent (``v1lib.regression``), not by gradient. Fitted, these are response models like any other:
images [n, C, H, W] -> responses [n, n_neurons].
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from v1lib.filters import gabor_pair
from v1lib.recording import RecordingInfo

VARIANTS = ("amplitude", "rectified")


class FeatureRegression(nn.Module):
    """A fixed feature core and a linear readout with a bias; its output may be negative."""

    def __init__(self, core: nn.Module, info: RecordingInfo) -> None:
        super().__init__()
        self.core = core.requires_grad_(False)
        self.readout = SelectiveReadout(info.mean_response)

    def forward(self, images: Tensor) -> Tensor:
        """images [n, C, H, W] -> responses [n, n_neurons]."""
        return self.readout(self.core(images))


class SelectiveReadout(nn.Module):
    """A linear readout that keeps only the features it uses.

    An L1 penalty leaves a few features of very many; the others are neither stored nor multiplied.
    A new readout uses none and returns the mean response.

    Attributes:
        units: int64 [n_used], columns of the features.
        weight: [n_neurons, n_used].
        bias: [n_neurons].
    """

    def __init__(self, mean_response: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("units", torch.empty(0, dtype=torch.int64))
        self.weight = nn.Parameter(torch.empty(len(mean_response), 0))
        self.bias = nn.Parameter(torch.tensor(mean_response, dtype=torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        """features [n, n_features] -> [n, n_neurons]."""
        return nn.functional.linear(features[:, self.units], self.weight, self.bias)

    @torch.no_grad()
    def set_weights(self, units: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> None:
        """Take over fitted weights; features whose weight is 0 for all neurons are dropped.

        Args:
            units: int [n_units], columns of the features that ``weight`` speaks of.
            weight: [n_neurons, n_units].
            bias: [n_neurons].

        Raises:
            ValueError: the weights are for another number of neurons.
        """
        if weight.shape != (len(self.bias), len(units)) or bias.shape != self.bias.shape:
            raise ValueError(
                f"weight {weight.shape} and bias {bias.shape} do not fit {len(self.bias)} neurons "
                f"and {len(units)} features"
            )
        used = (weight != 0).any(axis=0)
        self._resize(int(used.sum()))
        self.units.copy_(torch.as_tensor(units[used]))
        self.weight.copy_(torch.as_tensor(weight[:, used]))
        self.bias.copy_(torch.as_tensor(bias))

    def _resize(self, n_used: int) -> None:
        self.units = self.units.new_empty(n_used)
        self.weight = nn.Parameter(self.weight.new_empty(len(self.bias), n_used))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: object) -> None:
        # The number of features in use is a result of the fit, so it comes with the weights.
        if f"{prefix}units" in state_dict:
            self._resize(len(state_dict[f"{prefix}units"]))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Pixels(nn.Module):
    """Grey values minus the background: [n, C, H, W] -> [n, C * H * W]."""

    def __init__(self, background: float) -> None:
        super().__init__()
        self.background = background

    def forward(self, images: Tensor) -> Tensor:
        """images [n, C, H, W] -> features [n, C * H * W]."""
        return (images - self.background).flatten(1)


class GaborBank(nn.Module):
    """Outputs of Gabor quadrature pairs on a grid of places.

    Filters have Euclidean norm 1 and no response to uniform images (``v1lib.filters``), so that
    features are in grey levels.

    Args:
        size_px: (height, width) of the images.
        background: grey value taken off the images first (filters at the border need it).
        n_orientations: evenly from 0 to 180 degrees.
        wavelengths_px: of the carriers.
        sigma_per_wavelength: standard deviation of the envelope, in wavelengths.
        centres_px: first and last row (and column) of the grid of centres, and their number.
        variant: "amplitude", the root of the energy of each pair; or "rectified", the positive part
            of the even and of the odd filter's output.

    Raises:
        ValueError: the variant is unknown.
    """

    def __init__(
        self,
        size_px: tuple[int, int],
        *,
        background: float,
        n_orientations: int,
        wavelengths_px: list[float],
        sigma_per_wavelength: float,
        centres_px: list[float],
        variant: str,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant is {variant!r}, allowed: {', '.join(VARIANTS)}")
        self.background = background
        self.variant = variant
        filters = gabor_filters(
            tuple(size_px),
            n_orientations=n_orientations,
            wavelengths_px=tuple(wavelengths_px),
            sigma_per_wavelength=sigma_per_wavelength,
            centres_px=tuple(centres_px),
        )
        # Not stored with the weights: the settings of the model say all.
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 1, H, W] -> features [n, n_filters] (rectified: [n, 2 * n_filters])."""
        flat = (images - self.background).flatten(1)
        even, odd = (flat @ self.filters[:, part].T for part in (0, 1))
        if self.variant == "amplitude":
            return torch.sqrt(even**2 + odd**2)
        return torch.relu(torch.cat([even, odd], dim=1))


@lru_cache(maxsize=2)  # the regressions of many sessions and splits share one bank
def gabor_filters(
    size_px: tuple[int, int],
    *,
    n_orientations: int,
    wavelengths_px: tuple[float, ...],
    sigma_per_wavelength: float,
    centres_px: tuple[float, float, int],
) -> Tensor:
    """Quadrature pairs of a Gabor bank: float32 [n_filters, 2, height * width].

    Filters are ordered by wavelength, orientation, row and column of the centre. Arguments as for
    ``GaborBank``.
    """
    first, last, n_centres = centres_px
    places = np.linspace(first, last, n_centres)
    orientations = np.arange(n_orientations) * 180.0 / n_orientations
    wavelength, orientation, row, column = (
        axis.ravel()
        for axis in np.meshgrid(wavelengths_px, orientations, places, places, indexing="ij")
    )
    pairs = gabor_pair(
        size_px,
        centre_px=np.stack([row, column], axis=1),
        orientation_deg=orientation,
        wavelength_px=wavelength,
        sigma_px=wavelength * sigma_per_wavelength,
    )
    return torch.tensor(pairs, dtype=torch.float32).flatten(2)
