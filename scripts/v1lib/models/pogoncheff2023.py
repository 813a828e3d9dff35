"""Networks of Pogoncheff et al. 2023 (NeurIPS): residual networks with components of early vision.

All take images [n, 3, H, W] in [-1, 1] and return one logit per class. The components sit in or in
front of the first stage, ``layer1``, whose output is compared with V1; everything else is the
ResNet-50 of torchvision with its names, so that files of its weights fit. Source: reference
section 3; models/*.py of the published code.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from v1lib.center_surround import CenterSurroundConvolution
from v1lib.channel_normalization import TunedNormalization, UntunedNormalization
from v1lib.locally_connected import LocallyConnected
from v1lib.models import ClassifierInfo
from v1lib.pogoncheff2023_weights import load_core
from v1lib.polar_transform import PolarTransform

EXPANSION = 4  # of channels, by the last convolution of a block
NORMALIZATIONS = {
    None: lambda n_channels: nn.Identity(),
    "tuned": TunedNormalization,
    "untuned": UntunedNormalization,
}


class Bottleneck(nn.Module):
    """Three convolutions around which a shortcut leads, and perhaps divisive normalization.

    The second convolution, ``conv2``, may be replaced by another module with ``width`` channels;
    with a stride of 2 it is the one that takes it (version 1.5 of the network).

    Args:
        n_in: channels.
        width: channels of the second convolution; a fourth of those of the output.
        stride: 1 or 2.
    """

    def __init__(self, n_in: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        n_out = EXPANSION * width
        self.conv1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(n_out)
        self.downsample = None
        if stride > 1 or n_in != n_out:
            projection = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(n_out))
        self.normalization = nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """[n, n_in, h, w] -> [n, 4 width, h / stride, w / stride], none below 0."""
        shortcut = maps if self.downsample is None else self.downsample(maps)
        maps = self.bn1(self.conv1(maps)).relu_()
        maps = self.bn2(self.conv2(maps)).relu_()
        return self.normalization((self.bn3(self.conv3(maps)) + shortcut).relu_())


class ResNet(nn.Module):
    """The plain network.

    Maps keep their channels last in memory, as the local fields, the polar transform and the
    divisive normalization of many channels want them. Without these, on a CPU, a step of a small
    network takes 0.7 times as long as with channels first, one of a ResNet-50 up to 1.2 times
    (``benchmarks/results/pogoncheff2023_training.csv``).

    Args:
        blocks: number of them in each of the four stages.
        width: channels of the first convolution; the stages have ``width`` times 4, 8, 16, 32.
        n_classes: logits.

    Attributes:
        stackable: False, for ``torch.vmap`` knows neither channels last nor sparse matrices.
    """

    stackable = False

    def __init__(self, blocks: Sequence[int], width: int, n_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        n_in, stages = width, []
        for number, n_blocks in enumerate(blocks):
            stage_width, stride = width * 2**number, 1 if number == 0 else 2
            first = Bottleneck(n_in, stage_width, stride=stride)
            n_in = EXPANSION * stage_width
            others = [Bottleneck(n_in, stage_width) for _ in range(n_blocks - 1)]
            stages.append(nn.Sequential(first, *others))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(n_in, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, 3, H, W] -> logits [n, n_classes]."""
        maps = self.layer4(self.layer3(self.layer2(self.v1(images))))
        return self.fc(maps.mean((2, 3)))

    @staticmethod
    def is_core(name: str) -> bool:
        """Whether a weight of that name stays when the network learns other classes."""
        return not name.startswith("fc.")

    def read_core(self, path: Path) -> None:
        """Take all but the output layer from a file, see ``v1lib.pogoncheff2023_weights``."""
        load_core(self, path)

    def v1(self, images: Tensor) -> Tensor:
        """The V1 stage, the output of ``layer1``: [n, 3, H, W] -> [n, 4 width, H / 4, W / 4]."""
        images = images.contiguous(memory_format=torch.channels_last)
        return self.layer1(self.pool(self.bn1(self.conv1(images)).relu_()))


def resnet(
    info: ClassifierInfo,
    *,
    blocks: Sequence[int],
    width: int,
    center_surround: Mapping | None,
    local_fields: Mapping | None,
    normalization: str | None,
    magnification: Mapping | None,
    frozen: bool = False,
) -> ResNet:
    """A residual network with any of the components; none of them is shared or remembered.

    Args:
        info: the classes and the images.
        blocks: of the four stages, 3, 4, 6, 3 in ResNet-50.
        width: of the first stage, 64 in ResNet-50.
        center_surround: blocks (of the first stage, from 0), share (of the channels that are
            filtered, the first ones), kernel, form, norm (of
            ``v1lib.center_surround.DifferenceOfGaussians``), kaiming (whether the convolution in
            front starts as all others do, or from PyTorch's default, as in the published network
            that has this component alone).
        local_fields: block (of the first stage, from 0), dropout (of channels, in front; 0 for
            none).
        normalization: tuned, untuned or None, after every block of the first stage.
        magnification: radius_edges, n_angles, antialias, pad_radius of
            ``v1lib.polar_transform.PolarTransform``, which replaces the max pooling.
        frozen: only the output layer learns. As in the original, batch norms still follow the
            images (reference section 4.2).

    Raises:
        ValueError: a block does not exist or would be two components, a component is unknown, or
            does not fit the images.
    """
    if len(blocks) != 4:
        raise ValueError(f"blocks are {list(blocks)}, expected the numbers of four stages")
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"normalization is {normalization!r}, allowed: tuned, untuned, null")
    network = ResNet(blocks, width, info.n_classes)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            _start_by_kaiming(module)
    if magnification is not None:
        network.pool = _polar_transform(info, **magnification)
    if center_surround is not None:
        _add_center_surround(network.layer1, width, **center_surround)
    if local_fields is not None:
        size = tuple(-(-side // 4) for side in info.stimulus_shape[1:])
        _add_local_fields(network.layer1, width, size, **local_fields)
    for block in network.layer1:
        block.normalization = NORMALIZATIONS[normalization](EXPANSION * width)
    if frozen:
        network.requires_grad_(False)
        network.fc.requires_grad_(True)
    return network.to(memory_format=torch.channels_last)


def _start_by_kaiming(convolution: nn.Conv2d) -> None:
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")


def _polar_transform(
    info: ClassifierInfo,
    *,
    radius_edges: Sequence[float],
    n_angles: int,
    antialias: bool,
    pad_radius: bool,
) -> PolarTransform:
    height, width = info.stimulus_shape[1:]
    if height != width:
        raise ValueError(f"cortical magnification needs square images, not {height} x {width} px")
    return PolarTransform(
        -(-height // 2),
        -(-height // 4),
        radius_edges,
        n_angles,
        antialias=antialias,
        pad_radius=pad_radius,
    )


def _add_center_surround(
    stage: nn.Sequential,
    width: int,
    *,
    blocks: Sequence[int],
    share: float,
    kernel: int,
    form: str,
    norm: str,
    kaiming: bool,
) -> None:
    n_filtered = round(share * width)
    if not 1 <= n_filtered <= width:
        raise ValueError(f"center_surround: share {share} of {width} channels are {n_filtered}")
    for number in blocks:
        layer = CenterSurroundConvolution(width, n_filtered, kernel=kernel, form=form, norm=norm)
        if kaiming:
            _start_by_kaiming(layer.conv)
        _replace(stage, number, layer, "center_surround")


def _add_local_fields(
    stage: nn.Sequential, width: int, size: tuple[int, int], *, block: int, dropout: float
) -> None:
    layer = LocallyConnected(width, width, size)
    if dropout:
        layer = nn.Sequential(nn.Dropout2d(dropout), layer)
    _replace(stage, block, layer, "local_fields")


def _replace(stage: nn.Sequential, number: int, layer: nn.Module, component: str) -> None:
    """Put a component in the place of the 3 x 3 convolution of a block."""
    if not 0 <= number < len(stage):
        raise ValueError(f"{component}: block {number} of {len(stage)}, counted from 0")
    if not isinstance(stage[number].conv2, nn.Conv2d):
        raise ValueError(f"{component}: block {number} has another component already")
    stage[number].conv2 = layer
