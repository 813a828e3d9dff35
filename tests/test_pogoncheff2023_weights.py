"""Names of published weights. Whole networks: test_models_pogoncheff2023.py."""

import pytest
import torch

from v1lib.pogoncheff2023_weights import from_published


def test_names_of_the_published_networks():
    state = {
        "conv1.weight": torch.zeros(2, 3, 7, 7),
        "layer1.0.conv2.conv.weight": torch.zeros(2, 2, 3, 3),
        "layer1.0.conv2.dog.dog_conv.sigma1": torch.ones(4, 1, 1),
        "layer1.0.conv2.dog.dog_conv.bias": torch.zeros(2),
        "layer1.0.conv2.dog.dog_conv.kernel_dists": torch.ones(5, 5),
        "layer1.1.conv2.0.weight": torch.zeros(2, 2, 3, 3),
        "layer1.1.conv2.1.dog_conv.total_scale": torch.ones(4, 1, 1),
        "layer1.2.conv2.1.weight": torch.zeros(1, 2, 3, 4, 5, 9),
        "layer1.0.dn.sigmas": torch.ones(8),
        "layer1.0.dn.channel_distances": torch.ones(8, 8),
        "layer1.1.dn.A": torch.ones(8, 8, 1, 1),
        "layer1.1.dn.sigma": torch.ones(8, 8, 1, 1),
        "layer1.1.dn.x_coords": torch.ones(3, 3),
        "lpp.pooling_masks": torch.ones(9, 2, 2),
        "lpp.pooling_mask_counts": torch.ones(9),
        "fc.bias": torch.zeros(5),
    }
    assert {name: tuple(value.shape) for name, value in from_published(state).items()} == {
        "conv1.weight": (2, 3, 7, 7),
        "layer1.0.conv2.conv.weight": (2, 2, 3, 3),
        "layer1.0.conv2.filter.center": (4,),
        "layer1.1.conv2.conv.weight": (2, 2, 3, 3),
        "layer1.1.conv2.filter.amplitude": (4,),
        "layer1.2.conv2.1.weight": (4, 5, 2, 3, 3, 3),
        "layer1.0.normalization.width": (8,),
        "layer1.1.normalization.amplitude": (8, 8),
        "layer1.1.normalization.sigma": (8, 8),
        "fc.bias": (5,),
    }


def test_the_numbered_sequence():
    numbered = ["0.weight", "1.running_var", "4.0.conv2.weight", "5.3.bn1.bias", "10.weight"]
    numbered += ["3.pooling_masks", "7.0.downsample.1.num_batches_tracked"]
    names = list(from_published(dict.fromkeys(numbered, torch.zeros(1))))
    assert names == [
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.conv2.weight",
        "layer2.3.bn1.bias",
        "fc.weight",
        "layer4.0.downsample.1.num_batches_tracked",
    ]


def test_a_part_that_is_unknown_is_named():
    with pytest.raises(ValueError, match=r"11\.weight: part 11 .* 10"):
        from_published({"11.weight": torch.zeros(1)})


def test_a_bias_that_would_be_lost_is_named():
    name = "layer1.0.conv2.dog.dog_conv.bias"
    with pytest.raises(ValueError, match=name):
        from_published({name: torch.tensor([0.0, 1e-3])})
