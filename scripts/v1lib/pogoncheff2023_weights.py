"""Weights of the published networks of Pogoncheff et al. 2023 under the names of ours.

Their state dictionaries have the names of torchvision's ResNet-50, with the components in between;
the network with cortical magnification alone is a sequence whose parts have numbers. Constants
(distances, coordinates, masks) are among them and are not read, since ours have their own. Files of
torchvision's ResNets fit as they are, but they were trained on images of another scale. Source:
reference section 3; models/*.py of the code.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from v1lib.weight_files import read_weights, require_shapes

SEQUENCE = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
    "10": "fc",
}
_CONSTANT = re.compile(
    r".*\.(kernel_dists|channel_distances|[xy]_coords|pooling_masks|pooling_mask_counts)"
)
_FROZEN_BIAS = re.compile(r".*\.dog_conv\.bias")
_NUMBERED = re.compile(r"(\d+)\.(.+)")
# Of the convolution with differences of Gaussians: in the composites, and alone.
_NAMES = {
    r"conv2\.dog\.dog_conv\.": "conv2.filter.",
    r"conv2\.1\.dog_conv\.": "conv2.filter.",
    r"conv2\.0\.weight$": "conv2.conv.weight",
    r"filter\.sigma1$": "filter.center",
    r"filter\.sigma2_scale$": "filter.ratio",
    r"filter\.total_scale$": "filter.amplitude",
    r"dn\.sigmas$": "normalization.width",
    r"dn\.A$": "normalization.amplitude",
    r"dn\.": "normalization.",
}
_COUNT = "num_batches_tracked"  # missing in old files, and of no effect
_PLACES = (2, 3, 0, 4, 1)  # of locally connected weights: rows, columns, out, kernel, in
_SETTINGS = "blocks, width and components must be those of the network in the file"


def load_core(network: nn.Module, path: Path) -> None:
    """Fill a network, batch-norm statistics included, from a file; its output layer stays.

    Args:
        network: of ``v1lib.models.pogoncheff2023``.
        path: state dictionary of one of the 13 published networks, or of a ResNet of torchvision.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no dictionary of tensors, or holds another network; the message
            names file and weight.
    """
    stored = read_weights(path, what="the weights of a residual network")
    if others := [name for name, value in stored.items() if not isinstance(value, Tensor)]:
        raise ValueError(f"{path}: {others[0]!r} is no weight, expected a dictionary of tensors")
    try:
        given = {n: value for n, value in from_published(stored).items() if network.is_core(n)}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    core = {n: value for n, value in network.state_dict().items() if network.is_core(n)}
    if more := sorted(set(given) - set(core)):
        raise ValueError(f"{path}: this network has no weight {more[0]}; {_SETTINGS}")
    needed = {n: value for n, value in core.items() if not n.endswith(_COUNT)}
    require_shapes(needed, given, where=str(path), otherwise=_SETTINGS)
    network.load_state_dict(given, strict=False)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a published network for ``v1lib.models.pogoncheff2023.ResNet``.

    Args:
        state: state dictionary of one of the 13 published networks, or of a ResNet of torchvision.

    Raises:
        ValueError: a part of a numbered sequence is unknown, or a bias that the original keeps at 0
            is not.
    """
    ours = {}
    for name, value in state.items():
        if _CONSTANT.fullmatch(name):
            continue
        if _FROZEN_BIAS.fullmatch(name):
            if value.any():
                raise ValueError(f"weight {name} is not 0; the filters of ours have no bias")
            continue
        ours[_our_name(name)] = _our_layout(name, value)
    return ours


def _our_name(name: str) -> str:
    if numbered := _NUMBERED.fullmatch(name):
        number, rest = numbered.groups()
        if number not in SEQUENCE:
            raise ValueError(
                f"weight {name}: part {number} is none of the published sequence, "
                f"{', '.join(SEQUENCE)}"
            )
        name = f"{SEQUENCE[number]}.{rest}"
    for pattern, ours in _NAMES.items():
        name = re.sub(pattern, ours, name)
    return name


def _our_layout(name: str, value: Tensor) -> Tensor:
    """Filters of local fields [1, out, in, rows, columns, places] and lists have another shape."""
    if value.dim() == 6:
        side = round(value.shape[-1] ** 0.5)
        return value[0].permute(_PLACES).unflatten(3, (side, side)).contiguous()
    if ".dn." in name and value.dim() == 4:
        return value[:, :, 0, 0]
    return value.flatten() if ".dog_conv." in name else value
