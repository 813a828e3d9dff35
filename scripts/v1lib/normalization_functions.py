"""The functions that divisive normalization consists of: power, average of neighbours, quotient.

On a CPU compiled kernels read and write the maps seldom; elsewhere they are PyTorch's operations.
Both ways agree to rounding, but for powers of numbers below 1e-37.
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from v1lib.map_calls import as_maps, map_kernels, share_out
from v1lib.pooled_convolution import kernels_apply
from v1lib.threads import in_threads

_PLAIN = torch.contiguous_format
TINY = np.float32(1e-37)  # a normal number whose logarithm is finite


def rectified_power(x: Tensor, exponent: Tensor) -> Tensor:
    """relu(x) ^ exponent with gradients 0 wherever x is 0 or below.

    There the derivative of the power is infinite for an exponent below 1; a product with the
    rectifier's 0 would be NaN.

    Args:
        x: [n, n_features, h, w].
        exponent: [n_features], above 0.

    Raises:
        ValueError: other features than exponents.
    """
    _demand_one_for_each_feature(x, "exponent", exponent)
    way = _PowerByKernels if kernels_apply(x, exponent) else _Power
    return way.apply(x, exponent)


def quotient(driven: Tensor, constant: Tensor, suppression: Tensor) -> Tensor:
    """driven / (constant + suppression).

    Args:
        driven, suppression: [n, n_features, h, w].
        constant: [n_features].

    Raises:
        ValueError: the shapes are others.
    """
    _demand_one_for_each_feature(driven, "constant", constant)
    if driven.shape != suppression.shape:
        raise ValueError(
            f"driven is {tuple(driven.shape)} and suppression {tuple(suppression.shape)}"
        )
    if kernels_apply(driven, constant, suppression):
        return _QuotientByKernels.apply(driven, constant, suppression)
    return _Quotient.apply(driven, constant[:, None, None] + suppression)


def neighbourhood_average(maps: Tensor, size: int) -> Tensor:
    """Average over the square of ``size`` around each place; outside the map nothing counts.

    Where a map is not finite, neither are averages farther away than that. The average is
    separable: sums along rows and columns are several times faster than
    ``avg_pool2d`` with its backward pass on a CPU.

    Args:
        maps: [n, n_features, h, w].
        size: odd.
    """
    if kernels_apply(maps):
        return _AverageByKernels.apply(maps, size // 2)
    near = [_near(side, size // 2, maps) for side in maps.shape[2:]]
    rows, columns = (places / places.sum(1, keepdim=True) for places in near)
    return rows @ (maps @ columns.T)


def _demand_one_for_each_feature(maps: Tensor, name: str, values: Tensor) -> None:
    if values.shape != maps.shape[1:2]:
        raise ValueError(
            f"{name} has shape {tuple(values.shape)}, expected one value for each feature of maps "
            f"{tuple(maps.shape)}"
        )


class _Power(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, exponent: Tensor) -> Tensor:
        return x.clamp(min=0).pow(exponent[:, None, None])

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, exponent, power = ctx.saved_tensors
        x = x.clamp(min=float(TINY))
        by_power = gradient * power  # 0 wherever x is
        to_exponent = x.log().mul_(by_power).sum((0, 2, 3))
        return by_power.div_(x).mul_(exponent[:, None, None]), to_exponent


class _PowerByKernels(torch.autograd.Function):
    """One image after the other, which stays in the cache.

    Powers and logarithms are NumPy's, which are the fastest; what is 0 or below is 1 for them,
    since powers of 0, or of a number so small that they are not normal, take many times as long.
    """

    @staticmethod
    def forward(ctx, x: Tensor, exponent: Tensor) -> Tensor:
        power = torch.empty_like(x, memory_format=_PLAIN)
        ctx.save_for_backward(x, exponent, power)
        maps, powers = as_maps(x, power)
        exponents = exponent.detach().numpy()[:, None]

        def part(_: int, first: int, last: int) -> None:
            for image in range(first, last):
                map_kernels.write_positive(maps[image], powers[image])
                np.power(powers[image], exponents, out=powers[image])
                map_kernels.rectify(maps[image], powers[image])

        in_threads(len(maps), part)
        return power

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, exponent, power = ctx.saved_tensors
        result, totals = torch.empty_like(power), x.new_empty(x.shape[:2])
        upstream, maps, powers, results = as_maps(gradient, x, power, result)
        exponents, sums = exponent.detach().numpy(), totals.numpy()

        def part(_: int, first: int, last: int) -> None:
            logarithm = np.empty_like(maps[0])
            for image in range(first, last):
                map_kernels.write_positive(maps[image], logarithm)
                np.log(logarithm, out=logarithm)
                given = (upstream[image], maps[image], logarithm, powers[image], exponents)
                map_kernels.power_gradients(*given, results[image], sums[image], TINY)

        in_threads(len(maps), part)
        return result, totals.sum(0)


class _Quotient(torch.autograd.Function):
    """a / b; its backward pass divides once where PyTorch's divides three times."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return a / b

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(inputs[1], output)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        b, quotient = ctx.saved_tensors
        to_a = gradient / b
        return to_a, (to_a * quotient).neg_()


class _QuotientByKernels(torch.autograd.Function):
    @staticmethod
    def forward(ctx, driven: Tensor, constant: Tensor, suppression: Tensor) -> Tensor:
        denominator, quotient = (torch.empty_like(driven, memory_format=_PLAIN) for _ in range(2))
        share_out(map_kernels.divide, driven, constant, suppression, denominator, quotient)
        ctx.save_for_backward(denominator, quotient)
        return quotient

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        denominator, quotient = ctx.saved_tensors
        of_driven, of_sum = (torch.empty_like(quotient) for _ in range(2))
        totals = quotient.new_empty(quotient.shape[:2])
        given = (gradient, denominator, quotient, of_driven, of_sum, totals)
        share_out(map_kernels.divide_gradients, *given)
        return of_driven, totals.sum(0), of_sum


class _AverageByKernels(torch.autograd.Function):
    @staticmethod
    def forward(ctx, maps: Tensor, reach: int) -> Tensor:
        ctx.reach = reach
        counts = [_near(side, reach, maps).sum(1) for side in maps.shape[2:]]
        ctx.share = 1 / torch.outer(*counts)
        return _sums(maps, torch.ones_like(ctx.share), ctx.share, reach)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        return _sums(gradient, ctx.share, torch.ones_like(ctx.share), ctx.reach), None


def _sums(maps: Tensor, before: Tensor, after: Tensor, reach: int) -> Tensor:
    """after * (sums of before * maps over squares); before, after: [h, w]."""
    width = maps.shape[3]
    around = torch.nn.functional.pad(before, (reach, reach))
    shares = torch.stack([around[:, step : step + width] for step in range(2 * reach + 1)])
    sums = torch.empty_like(maps, memory_format=_PLAIN)
    given = (maps, shares.flatten(1), after.flatten(), width, sums)
    share_out(map_kernels.sum_neighbours, *given)
    return sums


def _near(side: int, reach: int, like: Tensor) -> Tensor:
    """1 where two places of an axis are at most ``reach`` apart, else 0: [side, side]."""
    place = torch.arange(side, device=like.device)
    return ((place[:, None] - place).abs() <= reach).to(like.dtype)
