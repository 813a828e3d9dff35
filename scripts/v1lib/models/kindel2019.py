"""Models of Kindel, Christensen & Zylberberg 2019 (J. Vision 19(4):29), trained by gradient.

All take raw grey values 0..255, unscaled, [n, 1, H, W], and return one response per neuron.
Source: src/buildnet.py of the published code (classes ConvNetDrop, LNLN, LnonL).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from v1lib.hidden_layer import RectifiedDropout, SparseGradientLinear
from v1lib.layers import ScaledRectifier, dense, truncated_normal_
from v1lib.pooled_convolution import PooledConvolution
from v1lib.recording import RecordingInfo

WEIGHT_STD = 0.1  # of convolution kernels, whatever their size


class RectifiedReadout(nn.Module):
    """Core, dense layer to the neurons, and an output rectifier (or none).

    ``pre_output`` is the response before that rectifier: where the rectified output is silent it
    still has a gradient, which preferred images need.
    """

    def __init__(self, core: nn.Module, readout: nn.Module, *, rectified: bool) -> None:
        super().__init__()
        self.core = core
        self.readout = readout
        self.rectified = rectified

    def pre_output(self, images: Tensor) -> Tensor:
        """images [n, 1, H, W] -> [n, n_neurons]."""
        return self.readout(self.core(images))

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 1, H, W] -> responses [n, n_neurons]."""
        output = self.pre_output(images)
        return torch.relu(output) if self.rectified else output


def cnn(
    info: RecordingInfo,
    *,
    conv1: dict,
    conv2: dict,
    num_conv_layers: int,
    hidden_units: int,
    hidden2_units: int,
    dropout_keep: float,
    output_nonlinearity: str,
) -> nn.Module:
    """The convolutional network (class ConvNetDrop).

    Each layer is a valid convolution, a rectifier and a valid max pool; then a dense layer of
    rectified hidden units with dropout, and a dense layer to the neurons.

    Args:
        info: the neurons to predict.
        conv1, conv2: filters, kernel, pool_kernel, pool_stride of the first and second layer; a
            third layer repeats the second.
        num_conv_layers: 1, 2 or 3.
        hidden_units: units of the dense layer.
        hidden2_units: accepted and unused, as in the original.
        dropout_keep: probability to *keep* a hidden unit in training.
        output_nonlinearity: "relu" or "none".

    Raises:
        ValueError: a layer does not fit into the map before it, or a value is not allowed.
    """
    if num_conv_layers not in (1, 2, 3):
        raise ValueError(f"num_conv_layers is {num_conv_layers}, allowed: 1, 2, 3")
    if output_nonlinearity not in ("relu", "none"):
        raise ValueError(f"output_nonlinearity is {output_nonlinearity!r}, allowed: relu, none")
    layers, n_features = _convolutions(info.stimulus_shape, [conv1, conv2, conv2][:num_conv_layers])
    core = nn.Sequential(
        *layers,
        nn.Flatten(),
        dense(n_features, hidden_units, SparseGradientLinear),
        RectifiedDropout(dropout_keep),
    )
    readout = dense(hidden_units, info.n_neurons)
    return RectifiedReadout(core, readout, rectified=output_nonlinearity == "relu")


def lnln(info: RecordingInfo, *, hidden_units: int) -> nn.Module:
    """The LN-LN model (class LNLN): two dense layers, each with a scaled rectifier.

    Dense layers start as Keras' do: Glorot-uniform weights, biases 0. Nothing rectifies the output
    after the last gain and offset, so it may be negative.
    """
    sizes = [_n_pixels(info), hidden_units, info.n_neurons]
    layers: list[nn.Module] = [nn.Flatten()]
    for n_inputs, n_outputs in pairwise(sizes):
        layer = nn.Linear(n_inputs, n_outputs)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, ScaledRectifier(n_outputs)]
    return nn.Sequential(*layers)


def ln(info: RecordingInfo) -> nn.Module:
    """The LN model (class LnonL): one dense layer with a scaled rectifier per neuron."""
    return nn.Sequential(
        nn.Flatten(), dense(_n_pixels(info), info.n_neurons), ScaledRectifier(info.n_neurons)
    )


def _n_pixels(info: RecordingInfo) -> int:
    channels, height, width = info.stimulus_shape
    return channels * height * width


def _convolutions(stimulus_shape: tuple, settings: list[dict]) -> tuple[list[nn.Module], int]:
    """The convolution layers and the number of features they return."""
    channels, *size = stimulus_shape
    layers: list[nn.Module] = []
    for number, layer in enumerate(settings, start=1):
        size = [_pooled_size(side, layer, number) for side in size]
        convolution = PooledConvolution(
            channels,
            layer["filters"],
            kernel=layer["kernel"],
            pool_kernel=layer["pool_kernel"],
            pool_stride=layer["pool_stride"],
        )
        truncated_normal_(convolution.weight, WEIGHT_STD)
        nn.init.zeros_(convolution.bias)
        layers.append(convolution)
        channels = layer["filters"]
    return layers, channels * size[0] * size[1]


def _pooled_size(side: int, layer: dict, number: int) -> int:
    convolved = side - layer["kernel"] + 1
    if convolved < layer["pool_kernel"]:
        raise ValueError(
            f"convolution layer {number}: a map of {side} px is too small for a kernel of "
            f"{layer['kernel']} px and a pool of {layer['pool_kernel']} px; "
            "use a smaller kernel or fewer layers"
        )
    return (convolved - layer["pool_kernel"]) // layer["pool_stride"] + 1
