"""Local receptive fields against the recorded original, and windows against PyTorch's."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from v1lib.locally_connected import LocallyConnected
from v1lib.windows import windows


def our_layout(weight):
    """[1, out, in, rows, columns, places] -> [rows, columns, out, kernel, kernel, in]."""
    return torch.as_tensor(weight)[0].unflatten(4, (3, 3)).permute(2, 3, 0, 4, 5, 1).contiguous()


@pytest.mark.parametrize("number", [0, 1])
def test_the_original(golden, number):
    case = golden(f"pogoncheff2023/locally_connected_{number}.npz")
    n_out, n_in = case["param__weight"].shape[1:3]
    x = torch.as_tensor(case["x"]).requires_grad_()
    options = {name: int(case[key]) for name, key in OPTIONS.items()}
    layer = LocallyConnected(n_in, n_out, x.shape[2:], **options)
    layer.weight.data = our_layout(case["param__weight"])
    output = layer(x) + torch.as_tensor(case.get("param__bias", 0.0))
    torch.testing.assert_close(output, torch.as_tensor(case["output"]), rtol=1e-4, atol=1e-5)
    output.backward(torch.as_tensor(case["grad_seed"]))
    for found, expected in (
        (x.grad, torch.as_tensor(case["grad__x"])),
        (layer.weight.grad, our_layout(case["grad__weight"])),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


OPTIONS = {"kernel": "kernel_size", "stride": "stride", "padding": "padding"}


def test_values_of_the_reference():
    layer = LocallyConnected(2, 2, (3, 3))
    layer.weight.data = our_layout((torch.arange(324.0) / 324).view(1, 2, 2, 3, 3, 9))
    x = (torch.arange(18.0) / 10).view(1, 2, 3, 3)
    first = [1.202469, 2.111728, 1.632099, 2.831481, 4.850926, 3.664815]
    first += [2.743210, 4.611728, 3.424691]
    second = [3.802469, 6.311728, 4.632099, 7.631481, 12.500926, 9.064816]
    second += [6.543210, 10.611729, 7.624691]
    found = layer(x)[0].flatten(1).detach()
    np.testing.assert_allclose(found, [first, second], rtol=1e-5)


def test_the_same_filters_everywhere_are_a_convolution():
    torch.manual_seed(0)
    layer = LocallyConnected(3, 5, (7, 6))
    layer.weight.data[:] = layer.weight[2, 3].clone()
    x = torch.randn(4, 3, 7, 6)
    filters = layer.weight[0, 0].permute(0, 3, 1, 2)
    expected = functional.conv2d(x, filters, padding=1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_a_filter_sees_its_own_place_only():
    layer = LocallyConnected(1, 2, (6, 6))
    before = layer(torch.ones(1, 1, 6, 6))
    layer.weight.data[2, 4] += 1
    changed = (layer(torch.ones(1, 1, 6, 6)) != before).any(1)[0].nonzero()
    assert changed.tolist() == [[2, 4]]


def test_start_does_not_depend_on_the_number_of_inputs():
    torch.manual_seed(0)
    assert LocallyConnected(32, 16, (8, 8)).weight.std().item() == pytest.approx(1, rel=0.01)


def test_lower_precision_with_weights_of_higher():
    torch.manual_seed(0)
    layer, x = LocallyConnected(3, 4, (6, 6)), torch.randn(5, 3, 6, 6)
    expected = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(x.bfloat16())
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), expected, rtol=0.05, atol=0.3)
    output.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32 and layer.weight.grad.any()


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(5, 6\).*built for \(6, 6\)"):
        LocallyConnected(1, 1, (6, 6))(torch.ones(1, 1, 5, 6))


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (6, 4), (2, 3)])
def test_windows(size, stride):
    torch.manual_seed(0)
    maps = torch.randn(2, 10, 14, 3).requires_grad_()
    expected = maps.unfold(1, size, stride).unfold(2, size, stride).permute(0, 1, 2, 4, 5, 3)
    found = windows(maps, size, stride)
    assert torch.equal(found, expected)
    upstream = torch.randn(found.shape)
    gradients = [torch.autograd.grad(cut, maps, upstream)[0] for cut in (found, expected)]
    torch.testing.assert_close(*gradients)
