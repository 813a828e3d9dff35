"""Images that activate units of the V1 stage of a classifier most, by gradient ascent.

Source: Pogoncheff et al. 2023, reference section 1.4 (P6). The ascent begins at noise about grey
and follows the activation less a multiple of the total variation, with Adam.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from v1lib.splits import stream

log = logging.getLogger(__name__)

DARKEST, BRIGHTEST = -1.0, 1.0  # of the normalised images that the networks take
SAYS_SO = 10  # times in an ascent that the log says how far it is


@dataclass(frozen=True)
class ImageAscent:
    """How images are made.

    Attributes:
        n_steps: of the ascent.
        learning_rate: of Adam.
        total_variation: weight of the total variation, see there.
        start_std: standard deviation of the noise to begin with; images reach from -1 to 1.
        seed: of the noise.
    """

    n_steps: int
    learning_rate: float
    total_variation: float
    start_std: float
    seed: int


@dataclass(frozen=True)
class ActivatingImages:
    """Images for some units of one network.

    Attributes:
        images: float32 [n_units, 3, height, width] from -1 to 1.
        activation: float32 [n_steps + 1, n_units], of the units, from the noise to the images.
    """

    images: np.ndarray
    activation: np.ndarray


class Units(nn.Module):
    """Units of the V1 stage, all at one place of the map, each looking at an image of its own.

    Args:
        network: in evaluation mode, with a method ``v1`` and blocks ``layer1`` whose last one
            rectifies the sum of its ``bn3`` and its shortcut (``v1lib.models.pogoncheff2023``).
        channels: [n_units], of the V1 stage.
        place: row and column of its map.
    """

    def __init__(self, network: nn.Module, channels: Sequence[int], place: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        self.at = (torch.arange(len(channels)), torch.as_tensor(channels), *place)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [n_units, 3, H, W] -> activation and drive, [n_units] each.

        The drive is what the last block rectifies, and perhaps normalizes, to the activation.
        """
        block, seen = self.network.layer1[-1], {}
        hooks = [
            block.register_forward_pre_hook(lambda _, inputs: seen.update(shortcut=inputs[0])),
            block.bn3.register_forward_hook(lambda _, inputs, output: seen.update(sum=output)),
        ]
        try:
            activation = self.network.v1(images)[self.at]
        finally:
            for hook in hooks:
                hook.remove()
        shortcut = seen["shortcut"]
        if block.downsample is not None:
            shortcut = block.downsample(shortcut)
        return activation, (seen["sum"] + shortcut)[self.at]


def total_variation(images: Tensor) -> Tensor:
    """Sum of the absolute differences between neighbours in rows and columns, all colours.

    Args:
        images: [n, C, H, W].

    Returns:
        [n].
    """
    rows, columns = images.diff(dim=2).abs(), images.diff(dim=3).abs()
    return rows.sum((1, 2, 3)) + columns.sum((1, 2, 3))


def activating_images(
    network: nn.Module,
    channels: Sequence[int],
    place: tuple[int, int],
    *,
    shape: tuple[int, int, int],
    settings: ImageAscent,
    device: torch.device,
) -> ActivatingImages:
    """Ascend the activation of units, all of them in one batch.

    A unit that is silent has no gradient. As long as it is, the ascent follows its drive, which is
    then below 0; the objective is continuous where the unit begins to respond. Images do not depend
    on the other units, up to rounding.

    Args:
        network, channels, place: see ``Units``.
        shape: (3, height, width) of the images.
        settings: of the ascent.
        device: where to compute.

    Raises:
        ValueError: the map has no such place or channel.
    """
    network = network.to(device).eval().requires_grad_(False)
    _check_units(network, channels, place, torch.zeros(1, *shape, device=device))
    units = Units(network, channels, place)
    images = noise(channels, shape, settings).to(device).requires_grad_()
    optimiser = torch.optim.Adam([images], lr=settings.learning_rate, maximize=True)
    said_after = max(1, settings.n_steps // SAYS_SO)
    trace = []
    for step in range(settings.n_steps + 1):
        activation, drive = units(images)
        trace.append(activation.detach().cpu())
        if step % said_after == 0 or step == settings.n_steps:
            log.info("step %d of %d: mean %.4g", step, settings.n_steps, trace[-1].mean())
        if step < settings.n_steps:
            variation = settings.total_variation * total_variation(images)
            optimiser.zero_grad()
            (activation + drive.clamp(max=0) - variation).sum().backward()
            optimiser.step()
            with torch.no_grad():
                images.clamp_(DARKEST, BRIGHTEST)
    return ActivatingImages(images.detach().cpu().numpy(), torch.stack(trace).numpy())


def noise(channels: Sequence[int], shape: tuple[int, int, int], settings: ImageAscent) -> Tensor:
    """Where ascents begin: float32 [n_units, 3, height, width], by the seed and the channel."""
    starts = [
        np.random.default_rng(stream("activating_images", settings.seed, int(channel))).normal(
            0, settings.start_std, shape
        )
        for channel in channels
    ]
    return torch.from_numpy(np.stack(starts).astype(np.float32))


def chosen_channels(n_channels: int, n_chosen: int, seed: int) -> list[int]:
    """Channels drawn at random without replacement, in their order.

    Raises:
        ValueError: there are not as many.
    """
    if not 1 <= n_chosen <= n_channels:
        raise ValueError(f"{n_chosen} channels are asked for, the V1 stage has {n_channels}")
    rng = np.random.default_rng(stream("channels", seed))
    return sorted(rng.choice(n_channels, n_chosen, replace=False).tolist())


@torch.no_grad()
def _check_units(
    network: nn.Module, channels: Sequence[int], place: tuple[int, int], image: Tensor
) -> None:
    sizes = network.v1(image).shape[1:]
    for size, asked in zip(sizes, (max(channels), *place), strict=True):
        if not 0 <= asked < size:
            raise ValueError(
                f"channel {max(channels)} at row {place[0]}, column {place[1]}: the V1 stage has "
                f"{sizes[0]} channels of {sizes[1]} x {sizes[2]} places, counted from 0"
            )
