"""Differences of Gaussians against the recorded originals and the reference's check values."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from v1lib.center_surround import CenterSurroundConvolution, DifferenceOfGaussians

OURS = {"center": "sigma1", "ratio": "sigma2_scale", "amplitude": "total_scale"}


def tensors(case):
    return {key: torch.as_tensor(value) for key, value in case.items()}


def filter_of(case, n_channels, *, prefix="", **options):
    dog = DifferenceOfGaussians(n_channels, **options)
    for ours, theirs in OURS.items():
        getattr(dog, ours).data = case[f"param__{prefix}{theirs}"].flatten()
    return dog


def assert_same_gradients(dog, case, prefix=""):
    for ours, theirs in OURS.items():
        expected = case[f"grad__{prefix}{theirs}"].flatten()
        atol = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(getattr(dog, ours).grad, expected, rtol=0, atol=atol)


def test_the_original_kernels_output_and_gradients(golden):
    case = tensors(golden("pogoncheff2023/dog_conv.npz"))
    dog, x = filter_of(case, 4), case["x"].requires_grad_()
    expected = case["kernels_after_normalisation"]
    torch.testing.assert_close(dog.kernels(), expected, rtol=1e-4, atol=1e-5)
    output = dog(x)
    torch.testing.assert_close(output, case["output"], rtol=1e-4, atol=1e-5)
    output.backward(case["grad_seed"])
    torch.testing.assert_close(x.grad, case["grad__x"], rtol=1e-4, atol=1e-5)
    assert_same_gradients(dog, case)


def test_the_original_with_another_size_and_what_the_networks_never_use(golden):
    case = tensors(golden("pogoncheff2023/dog_conv_bias_stride2_k1.npz"))
    dog, x = filter_of(case, 3, kernel=3), case["x"].requires_grad_()
    kernels = dog.kernels()
    torch.testing.assert_close(kernels, case["kernels_after_normalisation"], rtol=1e-4, atol=1e-5)
    output = functional.conv2d(x, kernels, case["param__bias"], stride=2, padding=1)
    torch.testing.assert_close(output, case["output"], rtol=1e-4, atol=1e-5)
    output.backward(case["grad_seed"])
    torch.testing.assert_close(x.grad, case["grad__x"], rtol=1e-4, atol=1e-5)
    assert_same_gradients(dog, case)


def test_the_original_with_channels_that_stay_as_they_are(golden):
    case = tensors(golden("pogoncheff2023/dog_layer_partial_channels.npz"))
    n_channels, n_filtered = case["x"].shape[1], int(case["dog_channels"])
    options = {"kernel": 5, "form": "released", "norm": "place"}
    layer = CenterSurroundConvolution(n_channels, n_filtered, **options)
    layer.filter = filter_of(case, n_filtered, prefix="dog_conv__")
    layer.conv.weight.data = torch.zeros_like(layer.conv.weight)
    layer.conv.weight.data[range(n_channels), range(n_channels), 1, 1] = 1.0  # the identity
    x = case["x"].requires_grad_()
    output = layer(x)
    torch.testing.assert_close(output, case["output"], rtol=1e-4, atol=1e-5)
    output.backward(case["grad_seed"])
    torch.testing.assert_close(x.grad, case["grad__x"], rtol=1e-4, atol=1e-5)
    assert_same_gradients(layer.filter, case, "dog_conv__")


def test_values_of_the_reference():
    dog = DifferenceOfGaussians(2)
    dog.center.data = torch.tensor([1.0, 1.2, 1.4, 1.6])
    dog.ratio.data = torch.tensor([1.5, 0.9, 1.2, 1.8])
    dog.amplitude.data = torch.tensor([1.0, -1.0, 2.0, -2.0])
    impulse = torch.zeros(1, 2, 5, 5)
    impulse[0, 0, 2, 2] = 1
    corners = dog(impulse)[0, :, :3, :3].detach()
    expected = [
        [
            [-0.020481, -0.053123, -0.072422],
            [-0.053123, -0.129545, -0.164880],
            [-0.072422, -0.164880, -0.187420],
        ],
        [
            [-0.057797, -0.105161, -0.126334],
            [-0.105161, -0.174682, -0.197608],
            [-0.126334, -0.197608, -0.209910],
        ],
    ]
    np.testing.assert_allclose(corners, expected, atol=2e-6)


@pytest.mark.parametrize("norm", ["place", "kernel"])
def test_only_the_antagonistic_form_has_two_signs(norm):
    torch.manual_seed(0)
    n_signs, middles = {}, {}
    for form in ("released", "antagonistic"):
        dog = DifferenceOfGaussians(6, kernel=9, form=form, norm=norm)
        dog.ratio.data += 0.2
        kernels = (dog.kernels().flatten(0, 1) * dog.amplitude.sign()[:, None, None]).detach()
        n_signs[form] = (kernels > 0).any(2).any(1).int() + (kernels < 0).any(2).any(1)
        middles[form] = kernels[:, 4, 4]
    assert set(n_signs["released"].tolist()) == {1}
    assert set(n_signs["antagonistic"].tolist()) == {2}
    assert (middles["antagonistic"] > 0).all() and (middles["released"] < 0).all()


@pytest.mark.parametrize("form", ["released", "antagonistic"])
def test_norms(form):
    kernels = DifferenceOfGaussians(3, form=form, norm="place").kernels()
    torch.testing.assert_close(kernels.square().sum((0, 1)), torch.ones(5, 5))
    dog = DifferenceOfGaussians(3, form=form, norm="kernel")
    lengths = dog.kernels().flatten(2).norm(dim=2).flatten()
    torch.testing.assert_close(lengths, dog.amplitude.abs())


@pytest.mark.parametrize("form", ["released", "antagonistic"])
@pytest.mark.parametrize("norm", ["place", "kernel"])
def test_mixed_precision_leaves_the_kernels_as_they_are(form, norm):
    torch.manual_seed(0)
    dog = DifferenceOfGaussians(4, form=form, norm=norm)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = dog.kernels()
    torch.testing.assert_close(found, dog.kernels(), rtol=0, atol=0)


def test_below_the_clamps_parameters_have_no_effect():
    dog = DifferenceOfGaussians(2)
    dog.center.data = torch.tensor([0.05, 0.5, 0.5, 0.5])
    dog.ratio.data = torch.tensor([1.5, 0.7, 1.5, 1.5])
    dog.kernels()[0, 0, 0, 0].backward()
    assert dog.center.grad[0] == 0 and (dog.center.grad[1:] != 0).all()
    assert dog.ratio.grad[1] == 0 and (dog.ratio.grad[[0, 2, 3]] != 0).all()


def test_start():
    torch.manual_seed(0)
    dog = DifferenceOfGaussians(64)
    for values in (dog.center, dog.ratio):
        assert 1 <= values.min() < 1.01 and 1.99 < values.max() < 2
    assert dog.amplitude.std().item() == pytest.approx(2, rel=0.05)
    assert not list(dog.state_dict().keys() - OURS.keys())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 4}, "kernel is 4"),
        ({"form": "dog"}, "form 'dog'.*released, antagonistic"),
        ({"norm": "l2"}, "norm 'l2'.*place, kernel"),
    ],
)
def test_unknown_forms_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DifferenceOfGaussians(2, **options)
