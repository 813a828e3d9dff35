"""Power, average and quotient of divisive normalization: compiled kernels against PyTorch's."""

import pytest
import torch
from torch.func import grad, vmap
from torch.nn import functional

from agreement import assert_agree, value_and_gradients
from v1lib import map_calls, normalization_functions, pooled_convolution
from v1lib import threads as threads_module
from v1lib.normalization_functions import neighbourhood_average, quotient, rectified_power

SHAPE = (5, 3, 6, 7)


def maps_of(n=1, *, shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for _ in range(n)]


@pytest.fixture
def calls(monkeypatch):
    """How often work is shared out, so that a silent way back to PyTorch is seen."""
    pytest.importorskip("numba")
    seen = []
    in_threads = threads_module.in_threads
    for module in (normalization_functions, map_calls):
        monkeypatch.setattr(
            module, "in_threads", lambda *given: seen.append(1) or in_threads(*given)
        )
    return seen


def powers():
    (x,) = maps_of()
    x[0, 0, 0, :3] = torch.tensor([0.0, -1.0, 1e-30])
    return rectified_power, [x, torch.tensor([0.6, 1.0, 2.3])]


def averages(size=5):
    return (lambda maps: neighbourhood_average(maps, size)), maps_of()


def quotients():
    driven, suppression = maps_of(2)
    return quotient, [driven, torch.tensor([0.5, 1.0, 3.0]), suppression.square()]


CASES = {"power": powers, "average": averages, "quotient": quotients}


@pytest.mark.usefixtures("one_and_two_threads")
@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize("name", CASES)
def test_kernels_agree_with_pytorch_in_double_precision(calls, name, layout):
    function, tensors = CASES[name]()
    tensors = [
        t.contiguous(memory_format=getattr(torch, layout)) if t.dim() == 4 else t for t in tensors
    ]
    ours = value_and_gradients(function, tensors)
    assert len(calls) == 2
    assert_agree(ours, value_and_gradients(function, [t.double() for t in tensors]))
    assert len(calls) == 2


@pytest.mark.parametrize("size", [1, 3, 5, 15])
def test_average_is_that_of_the_neighbours_there_are(size):
    (maps,) = maps_of()
    expected = functional.avg_pool2d(maps, size, 1, size // 2, count_include_pad=False)
    torch.testing.assert_close(neighbourhood_average(maps, size), expected)


@pytest.mark.parametrize("name", CASES)
def test_without_numba_it_is_pytorchs(monkeypatch, calls, name):
    function, tensors = CASES[name]()
    fast = value_and_gradients(function, tensors)
    monkeypatch.setattr(pooled_convolution, "convolution_kernels", None)
    assert_agree(fast, value_and_gradients(function, tensors))
    assert len(calls) == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_shapes_are_refused(dtype):
    maps, one, three = (torch.ones(shape, dtype=dtype) for shape in (SHAPE, 1, 3))
    with pytest.raises(ValueError, match=r"exponent has shape \(1,\)"):
        rectified_power(maps, one)
    with pytest.raises(ValueError, match=r"constant has shape \(1,\)"):
        quotient(maps, one, maps)
    with pytest.raises(ValueError, match=r"suppression \(5, 1, 6, 7\)"):
        quotient(maps, three, maps[:, :1])


def test_numbers_too_small_to_be_normal_have_finite_gradients():
    x = torch.tensor([1e-40, 1e-44, 1.0]).view(1, 1, 1, 3)
    exponent = torch.tensor([0.1])
    for function in (rectified_power, normalization_functions._Power.apply):
        assert all(found.isfinite().all() for found in value_and_gradients(function, [x, exponent]))


def test_a_part_of_larger_maps_can_be_divided():
    driven, suppression = maps_of(2)
    inner = driven[:, :, 1:-1, 1:-1]
    given = [inner, torch.ones(3), suppression[:, :, 1:-1, 1:-1].square()]
    exact = value_and_gradients(quotient, [t.double() for t in given])
    assert_agree(value_and_gradients(quotient, given), exact)


def test_what_is_0_or_below_has_no_power_and_no_gradient_and_what_is_undefined_stays_so():
    x = torch.tensor([0.0, -0.0, -2.0, float("nan"), 4.0]).view(1, 1, 1, 5).requires_grad_()
    exponent = torch.tensor([0.5])
    power = rectified_power(x, exponent)
    power.sum().backward()
    torch.testing.assert_close(
        power.flatten(), torch.tensor([0.0, 0.0, 0.0, float("nan"), 2.0]), equal_nan=True
    )
    torch.testing.assert_close(
        x.grad.flatten(), torch.tensor([0.0, 0.0, 0.0, float("nan"), 0.25]), equal_nan=True
    )


def test_functional_transformations_take_pytorchs_way(calls):
    maps, constant = maps_of()[0].expand(2, *SHAPE), torch.ones(2, 3)
    exponent = torch.tensor([[0.7, 1.0, 1.4], [1.1, 2.0, 0.9]])

    def loss(n, c, x):
        driven = rectified_power(x, n)
        return quotient(driven, c, neighbourhood_average(driven, 3)).square().sum()

    stacked = vmap(grad(loss))(exponent, constant, maps)
    assert not calls
    for number, found in enumerate(stacked):
        alone = exponent[number].clone().requires_grad_()
        loss(alone, constant[number], maps[number]).backward()
        torch.testing.assert_close(found, alone.grad, rtol=1e-4, atol=1e-4)
