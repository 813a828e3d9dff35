"""Convolution by minimal filtering against PyTorch's."""

import pytest
import torch
from torch.nn import functional

from v1lib.minimal_filtering import convolve


def plain(maps, kernels):
    n_in, n_out = kernels.shape[1:]
    filters = kernels.view(3, 3, n_in, n_out).permute(3, 2, 0, 1)
    return functional.conv2d(maps, filters, padding=1)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("shape", [(2, 5, 16, 16, 3), (1, 4, 7, 10, 4), (3, 2, 1, 5, 6)], ids=str)
def test_the_same_values_and_gradients(shape, layout):
    torch.manual_seed(0)
    n, n_in, height, width, n_out = shape
    maps = torch.randn(n, n_in, height, width).contiguous(memory_format=layout).requires_grad_()
    kernels = torch.randn(9, n_in, n_out).requires_grad_()
    upstream = torch.randn(n, n_out, height, width)
    found, expected = (function(maps, kernels) for function in (convolve, plain))
    gradients = [torch.autograd.grad(y, (maps, kernels), upstream) for y in (found, expected)]
    for a, b in zip([found, *gradients[0]], [expected, *gradients[1]], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-5 * b.abs().max().item())


def test_rounding_is_that_of_single_precision():
    torch.manual_seed(0)
    maps, kernels = torch.rand(1, 256, 16, 16), torch.rand(9, 256, 256)
    exact = plain(maps.double(), kernels.double())
    assert float(((convolve(maps, kernels) - exact) / exact).abs().max()) < 1e-5
    exactly = convolve(maps.double(), kernels.double())
    torch.testing.assert_close(exactly, exact, rtol=1e-12, atol=0)
