"""What the V1 experiment can be done on: each of these makes a ``Subject`` of something."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from v1lib.alexnet import SIZE_PX, AlexNet
from v1lib.models import TrainedModel
from v1lib.screen import Screen
from v1lib.simulation.grating_cells import CellsOnScreen, GratingCells
from v1lib.subjects import respond_with
from v1lib.v1_receptive_fields import Subject


class V1Stage(nn.Module):
    """The V1 stage of a classifier, shown a grey screen; the stages behind it are not computed.

    Args:
        network: with a method ``v1``, from images [n, 3, H, W] in [-1, 1] to [n, C, h, w].
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, screens: Tensor) -> Tensor:
        """Grey values [n, H, W] -> activations [n, C * h * w]."""
        images = (screens / 127.5 - 1)[:, None]
        return self.network.v1(images.expand(-1, 3, -1, -1)).flatten(1)


class AlexNetLayer(nn.Module):
    """A layer of AlexNet, shown a grey screen.

    Args:
        network: up to that layer.
    """

    def __init__(self, network: AlexNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, screens: Tensor) -> Tensor:
        """Grey values [n, H, W] -> activations [n, C * h * w]."""
        return self.network((screens / 255)[:, None].expand(-1, 3, -1, -1)).flatten(1)


class ModelNeurons(nn.Module):
    """The neurons that one or several networks predict, shown the middle of a square screen.

    Args:
        networks: each from images [n, C, H, W] in the units of its stimuli to responses.
        shape: (C, H, W) of the stimuli.
        mean_sd: what was subtracted from and divided out of the stimuli's grey values.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        shape: tuple[int, int, int],
        mean_sd: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.shape, self.mean_sd = shape, mean_sd

    def forward(self, screens: Tensor) -> Tensor:
        """Grey values [n, side, side] -> responses [n, n_neurons] of all networks."""
        channels, height, width = self.shape
        side = screens.shape[1]
        top, left = (side - height) // 2, (side - width) // 2
        mean, sd = self.mean_sd
        images = (screens[:, top : top + height, left : left + width] - mean) / sd
        images = images[:, None].expand(-1, channels, -1, -1)
        return torch.cat([network(images) for network in self.networks], dim=1)


def of_classifier(network: nn.Module, screen: Screen, device: torch.device) -> Subject:
    """The V1 stage of a classifier; its units are those of the flattened maps."""
    return Subject(respond_with(V1Stage(network), device), screen)


def of_alexnet(network: AlexNet, screen: Screen, device: torch.device) -> Subject:
    """A layer of AlexNet, whose screen must have its 224 pixels.

    Raises:
        ValueError: it has another number.
    """
    if screen.size_px != SIZE_PX:
        raise ValueError(f"AlexNet sees {SIZE_PX} x {SIZE_PX} px, not {screen.size_px}")
    return Subject(respond_with(AlexNetLayer(network), device), screen)


def of_neurons(
    models: Sequence[TrainedModel],
    shape: tuple[int, int, int],
    screen: Screen,
    *,
    mean_sd: tuple[float, float] = (0.0, 1.0),
    device: torch.device,
) -> Subject:
    """The neurons of the networks of one run, in the order of the networks.

    Args:
        models: those of one seed.
        shape: (C, H, W) of the stimuli; the screen is a square of their larger side.
        screen: size and place of that square.
        mean_sd: see ``ModelNeurons``.
        device: where to compute.

    Raises:
        ValueError: the screen has not that side.
    """
    if screen.size_px != max(shape[1:]):
        raise ValueError(f"stimuli are {shape[1]} x {shape[2]} px, the screen {screen.size_px}")
    neurons = ModelNeurons([model.module for model in models], shape, mean_sd)
    return Subject(respond_with(neurons, device), screen)


def of_cells(cells: GratingCells, screen: Screen) -> Subject:
    """Cells whose tuning is known."""
    return Subject(CellsOnScreen(cells, screen).respond, screen)


def units_of(models: Sequence[TrainedModel]) -> np.ndarray:
    """Columns of the recording that the units of ``of_neurons`` are: int64 [n_units]."""
    return np.concatenate([model.neuron_index for model in models])
