"""AlexNet (Krizhevsky 2014), the network whose published V1 scores check the experiment.

Brain-Score lists what its own tests find for it; the layer that it takes for V1 is ``features.2``,
the first max pooling (models/alexnet/region_layer_map of Brain-Score vision).
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from v1lib.weight_files import read_weights, require_shapes

FILE = "alexnet-owt-7be5be79.pth"  # torchvision's weights
SIZE_PX = 224
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, from 0 to 1


class AlexNet(nn.Module):
    """The convolutional part up to one layer, with the names that torchvision gives its parameters.

    Args:
        layer: "features.0" to "features.12".

    Raises:
        ValueError: there is no such layer.
    """

    def __init__(self, layer: str) -> None:
        super().__init__()
        layers = _all_layers()
        names = [f"features.{number}" for number in range(len(layers))]
        if layer not in names:
            raise ValueError(f"layer is {layer!r}, allowed: {names[0]} to {names[-1]}")
        self.features = nn.Sequential(*layers[: names.index(layer) + 1])
        self.register_buffer("mean", torch.tensor(MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("sd", torch.tensor(SD).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, 3, 224, 224] from 0 to 1 -> activations [n, channels, h, w]."""
        return self.features((images - self.mean) / self.sd)


def alexnet(weights: Path, layer: str) -> AlexNet:
    """The trained network up to a layer; what comes after is not read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the layer is unknown, or the file is not torchvision's; the message names the
            weight at fault.
    """
    network = AlexNet(layer)
    file = f"the weight file {FILE} of torchvision"
    stored, needed = read_weights(weights, what=file), network.state_dict()
    require_shapes(needed, stored, where=str(weights), otherwise=f"this is not {file}")
    network.load_state_dict({name: stored[name] for name in needed})
    return network.eval().requires_grad_(False)


def _all_layers() -> list[nn.Module]:
    return [
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
    ]
