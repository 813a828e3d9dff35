"""VGG-16 and VGG-19 (Simonyan & Zisserman 2015) as sources of fixed image features."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from v1lib.weight_files import read_weights, require_shapes

# Channels of the convolutions, block by block: configurations D and E of the article.
BLOCKS = {
    "vgg16": ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3),
    "vgg19": ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4),
}
FILES = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}  # torchvision's
N_COLOURS = 3
KERNEL, PADDING = 3, 1  # of every convolution; a 2 x 2 max pool follows each block
BATCH_SIZE = 8  # images at once; the first layers need 50 MB each


@dataclass(frozen=True)
class Frame:
    """How a small image is put back into the stimulus that was shown.

    Attributes:
        size_px: side of the uniform square the image is pasted into.
        offset_px: row and column of its first pixel in there.
        upsample: factor by which the square is then enlarged, by repeating pixels.
        crop_px: side of the central part that the network sees.
    """

    size_px: int
    offset_px: int
    upsample: int
    crop_px: int


@dataclass(frozen=True)
class Window:
    """The part of a layer that a small image can change, along one axis.

    Attributes:
        first, last: positions in the layer's map whose receptive field meets the image.
        start, stop: input pixels that decide these positions, ``stop`` excluded.
        skip: positions of the map of that input alone that come before ``first``.
    """

    first: int
    last: int
    start: int
    stop: int
    skip: int


class VggFeatures(nn.Module):
    """Activations of one layer, after its rectifier, to images in their frame.

    The network sees the grey values 0..255 in all three channels, without the usual subtraction of
    the ImageNet mean (notebook vgg_activations). Units that see only the uniform surround are the
    same for all images: neither computed nor returned.

    Args:
        size_px: (height, width) of the images, a square.
        background: grey value of the surround.
        weights: file of torchvision's VGG-16.
        layer: "conv1_1" to "conv5_3".
        frame: how the stimulus is put together.

    Raises:
        ValueError: the layer is unknown, the images do not fit into the frame, or the file is not
            that of a VGG-16.
        FileNotFoundError: there is no such file.
    """

    def __init__(
        self,
        size_px: tuple[int, int],
        *,
        background: float,
        weights: Path,
        layer: str,
        frame: Frame,
    ) -> None:
        super().__init__()
        image = _image_in_crop(size_px, frame)
        self.background = background
        self.frame = frame
        self.window = window_of(layer, image, frame.crop_px)
        self.network = fixed_network(layer, weights)

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 1, H, W] -> features [n, channels * window * window]."""
        return torch.cat([self._batch(batch) for batch in images.split(BATCH_SIZE)])

    def _batch(self, images: Tensor) -> Tensor:
        window = self.window
        stimuli = framed(images, self.background, self.frame)
        stimuli = stimuli[:, :, window.start : window.stop, window.start : window.stop]
        maps = self.network(stimuli.expand(-1, N_COLOURS, -1, -1))
        seen = slice(window.skip, window.skip + window.last - window.first + 1)
        return maps[:, :, seen, seen].flatten(1)


class LinearVggFeatures(nn.Module):
    """Activations of one layer before its bias and rectifier; the image fills the network's input.

    Grey images are copied to the three colours, in whatever units they come.

    Args:
        weights: file of torchvision's network.
        layer: "conv1_1" to "conv5_4".
        network: "vgg16" or "vgg19".

    Raises:
        ValueError: the layer is unknown, or the file is not that of the network.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, *, weights: Path, layer: str, network: str) -> None:
        super().__init__()
        features = fixed_network(layer, weights, network).features
        self.below = features[:-2]
        self.last = features[-2]

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 1, H, W] -> features [n, channels, h, w]."""
        maps = self.below(images.expand(-1, N_COLOURS, -1, -1))
        return nn.functional.conv2d(maps, self.last.weight, padding=PADDING)


class Vgg(nn.Module):
    """The convolutional part of a VGG, with the names that torchvision gives its parameters.

    Attributes:
        name: "vgg16" or "vgg19".
    """

    def __init__(self, name: str, features: nn.Sequential) -> None:
        super().__init__()
        self.name = name
        self.features = features

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 3, H, W] -> activations of the last layer [n, channels, h, w]."""
        return self.features(images)


def layer_names(network: str = "vgg16") -> list[str]:
    """Names of all convolution layers, "conv1_1" to "conv5_3" (VGG-19: "conv5_4")."""
    return [
        f"conv{block}_{number}"
        for block, channels in enumerate(BLOCKS[network], start=1)
        for number in range(1, len(channels) + 1)
    ]


def layers_up_to(layer: str, network: str = "vgg16") -> Vgg:
    """The network up to and with one layer and its rectifier, weights not set.

    Raises:
        ValueError: there is no such layer.
    """
    if layer not in layer_names(network):
        raise ValueError(f"layer is {layer!r}, allowed: {', '.join(layer_names(network))}")
    modules: list[nn.Module] = []
    last_block, last_number = (int(part) for part in layer.removeprefix("conv").split("_"))
    n_inputs = N_COLOURS
    for block, channels in enumerate(BLOCKS[network][:last_block], start=1):
        used = channels[:last_number] if block == last_block else channels
        for n_outputs in used:
            modules += [nn.Conv2d(n_inputs, n_outputs, KERNEL, padding=PADDING), nn.ReLU()]
            n_inputs = n_outputs
        if block < last_block:
            modules.append(nn.MaxPool2d(2))
    return Vgg(network, nn.Sequential(*modules))


def load_weights(network: Vgg, path: Path) -> Vgg:
    """Fill a network from torchvision's weight file; layers beyond the last are left out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no dictionary of tensors, or lacks a weight of the right shape; the
            message names file and weight.
    """
    file = f"the weight file {FILES[network.name]} of torchvision"
    stored, needed = read_weights(path, what=file), network.state_dict()
    require_shapes(needed, stored, where=str(path), otherwise=f"this is not {file}")
    network.load_state_dict({name: stored[name] for name in needed})
    return network


def window_of(layer: str, image: range, crop_px: int) -> Window:
    """Which positions of a layer an image can change, and which input pixels they need.

    Args:
        layer: name of a layer.
        image: pixels of the image within the crop, along one axis.
        crop_px: side of the crop.
    """
    stride, field, padding = _geometry(layer)
    # Position i sees the pixels from stride * i - padding on, field of them.
    first = max(-(-(image.start + padding - field + 1) // stride), 0)
    last = min((image.stop - 1 + padding) // stride, crop_px // stride - 1)
    # Pooling windows must fall as in the whole crop: cut at multiples of the stride.
    start = max((stride * first - padding) // stride * stride, 0)
    stop = min(-(-(stride * last - padding + field) // stride) * stride, crop_px)
    return Window(first, last, start, stop, skip=first - start // stride)


def framed(images: Tensor, background: float, frame: Frame) -> Tensor:
    """Images [n, 1, H, W] on their background, enlarged and cropped: [n, 1, crop_px, crop_px]."""
    end = [frame.size_px - frame.offset_px - side for side in images.shape[2:]]
    margins = (frame.offset_px, end[1], frame.offset_px, end[0])
    shown = nn.functional.pad(images, margins, value=background)
    shown = shown.repeat_interleave(frame.upsample, 2).repeat_interleave(frame.upsample, 3)
    begin = (frame.size_px * frame.upsample - frame.crop_px) // 2
    return shown[:, :, begin : begin + frame.crop_px, begin : begin + frame.crop_px]


def _image_in_crop(size_px: tuple[int, int], frame: Frame) -> range:
    """Pixels of the enlarged image within the crop, the same in rows and columns."""
    height, width = size_px
    begin = (frame.size_px * frame.upsample - frame.crop_px) // 2
    first = frame.offset_px * frame.upsample - begin
    last = first + height * frame.upsample
    fits = (
        frame.offset_px + height <= frame.size_px and begin >= 0 <= first and last <= frame.crop_px
    )
    if height != width or not fits:
        raise ValueError(f"images of {height} x {width} px do not fit into the frame {frame}")
    return range(first, last)


def _geometry(layer: str) -> tuple[int, int, int]:
    """Stride, side of the receptive field and padding of a layer, in input pixels."""
    stride, field, padding = 1, 1, 0
    for module in layers_up_to(layer).features:
        if isinstance(module, nn.Conv2d):
            field += (KERNEL - 1) * stride
            padding += PADDING * stride
        elif isinstance(module, nn.MaxPool2d):
            field += stride
            stride *= 2
    return stride, field, padding


@lru_cache(maxsize=1)  # the models of many sessions, splits and seeds share one network
def fixed_network(layer: str, weights: Path, name: str = "vgg16") -> Vgg:
    """The network up to a layer, its weights kept out of the model's own file: they stay in theirs.

    Raises:
        ValueError: the layer is unknown, or the file is not that of the network.
        FileNotFoundError: there is no such file.
    """
    network = load_weights(layers_up_to(layer, name), weights)
    for module in network.features:
        if isinstance(module, nn.Conv2d):
            for name in ("weight", "bias"):
                values = getattr(module, name).detach()
                delattr(module, name)
                module.register_buffer(name, values, persistent=False)
    return network
