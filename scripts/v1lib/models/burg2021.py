"""Models of Burg et al. 2021 (PLOS Comput. Biol. 17(6): e1009028), trained by gradient.

All take z-scored images [n, 1, H, W], share the readout, the output nonlinearity and the penalties,
and return one expected spike count per neuron. Source: models.py of the published code.
"""

import torch
from torch import Tensor, nn

from v1lib.divisive_normalization import DivisiveNormalization
from v1lib.layers import BatchNorm, truncated_normal_
from v1lib.minimal_convolution import MinimalConvolution
from v1lib.readouts import FactorisedReadout, OutputNonlinearity, inverse_shifted_elu
from v1lib.recording import RecordingInfo
from v1lib.regularisers import group_sparsity, relative_roughness

WEIGHT_STD = 0.01
PENALTIES = ("smoothness", "sparsity", "readout", "nonlinearity", "normalization")


class ConvolutionLayer(nn.Module):
    """Convolution without bias, batch normalization, and a rectifier or another activation."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        *,
        padding: int,
        rectify: bool = False,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv = MinimalConvolution(n_in, n_out, kernel, padding=padding, bias=False)
        truncated_normal_(self.conv.weight, WEIGHT_STD)
        self.norm = BatchNorm(n_out, rectify=rectify)
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """x [n, n_in, h, w] -> [n, n_out, h', w']."""
        return self.after_convolution(self.conv(x))

    def after_convolution(self, maps: Tensor) -> Tensor:
        """Normalise and activate the output of the convolution."""
        return self.activation(self.norm(maps))


class Network(nn.Module):
    """Convolution layers, perhaps divisive normalization, a factorised readout and a nonlinearity.

    Attributes:
        layers: ``ConvolutionLayer``s; the first one is linear in the image up to its batch norm.
        normalization: ``DivisiveNormalization`` or None.
        readout, nonlinearity: from maps to neurons.
        strengths: of the penalties, as buffers, so that networks which differ in nothing else can
            be stacked: smoothness (first layer), sparsity (of each layer), readout, nonlinearity,
            normalization.
    """

    def __init__(
        self,
        layers: list[ConvolutionLayer],
        normalization: DivisiveNormalization | None,
        readout: FactorisedReadout,
        strengths: dict,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.normalization = normalization
        self.readout = readout
        self.nonlinearity = OutputNonlinearity(len(readout.bias))
        self.strengths = nn.Module()
        for name in PENALTIES:
            self.strengths.register_buffer(name, torch.tensor(strengths[name]), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, 1, H, W] -> expected spike counts [n, n_neurons]."""
        return self.respond_to_convolved(self.convolve(images))

    def convolve(self, images: Tensor) -> Tensor:
        """The linear first convolution alone: [n, 1, H, W] -> [n, n_features, h, w]."""
        return self.layers[0].conv(images)

    def respond_to_convolved(self, maps: Tensor) -> Tensor:
        """Everything after the first convolution: [n, n_features, h, w] -> [n, n_neurons]."""
        return self.nonlinearity(self.pre_output(self._features_of_convolved(maps)))

    def features(self, images: Tensor) -> Tensor:
        """Activations of the last layer, before normalization: [n, n_features, h, w]."""
        maps = self._features_of_convolved(self.convolve(images))
        return maps if self.normalization is None else maps.relu()

    def pre_output(self, features: Tensor) -> Tensor:
        """Input of the output nonlinearity: [n, n_features, h, w] -> [n, n_neurons]."""
        if self.normalization is not None:
            features = self.normalization(features)
        return self.readout(features)

    def penalty(self) -> Tensor:
        """The weighted sum of all penalties."""
        return sum(self.penalties().values())

    def penalties(self) -> dict[str, Tensor]:
        """Every penalty times its strength."""
        kernels = [layer.conv.weight for layer in self.layers]
        sparsity = torch.stack([group_sparsity(kernel) for kernel in kernels])
        values = {
            "smoothness": relative_roughness(kernels[0]),
            "sparsity": sparsity,
            "readout": self.readout.sparsity(),
            "nonlinearity": self.nonlinearity.roughness(),
        }
        if self.normalization is not None:
            values["normalization"] = self.normalization.size()
        return {name: (getattr(self.strengths, name) * v).sum() for name, v in values.items()}

    def _features_of_convolved(self, maps: Tensor) -> Tensor:
        first, *others = self.layers
        maps = first.after_convolution(maps)
        for layer in others:
            maps = layer(maps)
        return maps


def subunit_net(info: RecordingInfo, *, filters: int, kernel: int, penalties: dict) -> nn.Module:
    """The subunit (LN-LN) model: one rectified convolution layer.

    Args:
        info: the neurons to predict.
        filters, kernel: of the convolution (valid padding).
        penalties: strengths: smoothness, sparsity (one per layer), readout, nonlinearity,
            normalization.

    Raises:
        ValueError: the image is too small, or a penalty is missing.
    """
    layers = [ConvolutionLayer(1, filters, kernel, padding=0, rectify=True)]
    return _network(info, layers, None, penalties, absolute=True)


def cnn3(info: RecordingInfo, *, filters: list, kernels: list, penalties: dict) -> nn.Module:
    """The convolutional network of three layers.

    The first layer has valid padding, the others keep the size; ELUs; signed readout weights.

    Args:
        info: the neurons to predict.
        filters, kernels: of each layer; their number is that of the layers.
        penalties: as in ``subunit_net``.
    """
    layers = [
        ConvolutionLayer(
            1 if number == 0 else filters[number - 1],
            n_filters,
            kernel,
            padding=0 if number == 0 else kernel // 2,
            activation=nn.ELU(inplace=True),
        )
        for number, (n_filters, kernel) in enumerate(zip(filters, kernels, strict=True))
    ]
    return _network(info, layers, None, penalties, absolute=False)


def divisive_net(
    info: RecordingInfo, *, filters: int, kernel: int, pool: dict, specific: bool, penalties: dict
) -> nn.Module:
    """A convolution layer with divisive normalization, perhaps with a pool in space.

    Args:
        info: the neurons to predict.
        filters, kernel: of the convolution (valid padding).
        pool: average_size, size, components, dilation of ``DivisiveNormalization``.
        specific: normalization weights for each pair of features, else one per normalized feature.
        penalties: as in ``subunit_net``.
    """
    # The normalization rectifies: its power and the rectifier share their gradient.
    layers = [ConvolutionLayer(1, filters, kernel, padding=0)]
    normalization = DivisiveNormalization(
        filters,
        specific=specific,
        pool_size=pool["size"],
        n_components=pool["components"],
        dilation=pool["dilation"],
        average_size=pool["average_size"],
    )
    return _network(info, layers, normalization, penalties, absolute=True)


def _network(
    info: RecordingInfo,
    layers: list[ConvolutionLayer],
    normalization: DivisiveNormalization | None,
    penalties: dict,
    *,
    absolute: bool,
) -> Network:
    if sorted(penalties) != sorted(PENALTIES) or len(penalties["sparsity"]) != len(layers):
        raise ValueError(
            f"penalties are {penalties}, expected {', '.join(PENALTIES)}, with one value of "
            f"sparsity for each of the {len(layers)} layers"
        )
    first = layers[0].conv
    lost = first.kernel_size[0] - 1 + (2 * normalization.margin if normalization else 0)
    height, width = (side - lost for side in info.stimulus_shape[1:])
    if min(height, width) < 1:
        raise ValueError(
            f"images of {info.stimulus_shape[1:]} px are too small for a kernel of "
            f"{first.kernel_size[0]} px and a normalization pool that takes {lost} px in all; use "
            "smaller ones or a smaller crop"
        )
    n_features = layers[-1].conv.out_channels
    bias = inverse_shifted_elu(torch.as_tensor(info.mean_response_filled))
    readout = FactorisedReadout(height * width, n_features, bias, absolute=absolute)
    return Network(layers, normalization, readout, penalties)
