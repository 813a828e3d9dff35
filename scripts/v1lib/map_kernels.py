"""Compiled kernels that read and write feature maps as seldom as can be.

What is done to maps one value at a time (normalising, rectifying, dividing, averaging) takes as
long as memory takes to deliver them; one operation of PyTorch after the other reads and writes them
each time, and so takes two to four times as long.

Maps are float32 [n_images, n_features, height * width] in C order. Kernels do the images from
``first`` to before ``last``. Nothing is checked here; ``v1lib.map_calls`` is for the callers.
"""

import numpy as np

from v1lib.compiling import compiler

ZERO, ONE = np.float32(0), np.float32(1)

# Sums may be taken in any order, or they could not be vectors; NaN and infinity stay so.
_compiled = compiler(__file__, options={"fastmath": {"reassoc", "contract"}})


@_compiled
def moments(maps, means, squares, first, last):
    """Write each map's mean and its sum of squared deviations from it, [n_images, n_features]."""
    n_features, n_places = maps.shape[1:]
    for image in range(first, last):
        for feature in range(n_features):
            values = maps[image, feature]
            total = ZERO
            for i in range(n_places):
                total += values[i]
            mean = total / np.float32(n_places)
            square = ZERO
            for i in range(n_places):
                square += (values[i] - mean) ** 2
            means[image, feature] = mean
            squares[image, feature] = square


@_compiled
def normalise(maps, scaling, lowest, normalised, first, last):
    """Write max(factor * (maps - mean) + offset, lowest).

    scaling: mean, factor and offset of each feature, [3, n_features]; lowest: 0 or -infinity.
    """
    n_features, n_places = maps.shape[1:]
    for image in range(first, last):
        for feature in range(n_features):
            values, results = maps[image, feature], normalised[image, feature]
            middle, scale, shift = scaling[0, feature], scaling[1, feature], scaling[2, feature]
            for i in range(n_places):
                value = scale * (values[i] - middle) + shift
                results[i] = lowest if value < lowest else value


@_compiled
def sum_gradients(gradient, maps, scaling, lowest, sums, first, last):
    """Write two sums over each map, [2, n_images, n_features], of what passes of the gradient.

    The first is of the gradient where ``normalise`` gave more than ``lowest``, the second of the
    same times the deviation of the map from the mean.
    """
    n_features, n_places = maps.shape[1:]
    for image in range(first, last):
        for feature in range(n_features):
            values, upstream = maps[image, feature], gradient[image, feature]
            middle, scale, shift = scaling[0, feature], scaling[1, feature], scaling[2, feature]
            total = product = ZERO
            for i in range(n_places):
                deviation = values[i] - middle
                passed = ZERO if scale * deviation + shift <= lowest else upstream[i]
                total += passed
                product += passed * deviation
            sums[0, image, feature] = total
            sums[1, image, feature] = product


@_compiled
def pass_gradients(gradient, maps, scaling, lowest, line, result, first, last):
    """Write factor * what passes of the gradient + slope * deviation + constant.

    line: slope and constant of each feature, [2, n_features]; the others as in ``sum_gradients``.
    """
    n_features, n_places = maps.shape[1:]
    for image in range(first, last):
        for feature in range(n_features):
            values, upstream = maps[image, feature], gradient[image, feature]
            results = result[image, feature]
            middle, scale, shift = scaling[0, feature], scaling[1, feature], scaling[2, feature]
            slope, constant = line[0, feature], line[1, feature]
            for i in range(n_places):
                deviation = values[i] - middle
                passed = ZERO if scale * deviation + shift <= lowest else upstream[i]
                results[i] = scale * passed + slope * deviation + constant


@_compiled
def divide(driven, constant, suppression, denominator, quotient, first, last):
    """Write denominator = constant + suppression and quotient = driven / denominator.

    constant: [n_features].
    """
    n_features, n_places = driven.shape[1:]
    for image in range(first, last):
        for feature in range(n_features):
            above, below = driven[image, feature], suppression[image, feature]
            sums, results = denominator[image, feature], quotient[image, feature]
            added = constant[feature]
            for i in range(n_places):
                total = added + below[i]
                sums[i] = total
                results[i] = above[i] / total


@_compiled
def divide_gradients(gradient, denominator, quotient, of_driven, of_sum, totals, first, last):
    """Write the gradients of ``divide``, and the sums of the second over each map.

    of_driven = gradient / denominator, of_sum = -of_driven * quotient; totals: [n_images,
    n_features].
    """
    n_features, n_places = gradient.shape[1:]
    for image in range(first, last):
        for feature in range(n_features):
            upstream, sums = gradient[image, feature], denominator[image, feature]
            results = quotient[image, feature]
            to_driven, to_sum = of_driven[image, feature], of_sum[image, feature]
            total = ZERO
            for i in range(n_places):
                of_one = upstream[i] / sums[i]
                of_other = -of_one * results[i]
                to_driven[i] = of_one
                to_sum[i] = of_other
                total += of_other
            totals[image, feature] = total


@_compiled
def write_positive(maps, result):
    """Write the maps of an image, [n_features, height * width], and 1 where they are 0 or below."""
    n_features, n_places = maps.shape
    for feature in range(n_features):
        values, results = maps[feature], result[feature]
        for i in range(n_places):
            results[i] = ONE if values[i] <= ZERO else values[i]


@_compiled
def rectify(maps, power):
    """Set the power of an image, [n_features, height * width], to 0 where maps are 0 or below."""
    n_features, n_places = maps.shape
    for feature in range(n_features):
        values, powers = maps[feature], power[feature]
        for i in range(n_places):
            powers[i] = ZERO if values[i] <= ZERO else powers[i]


@_compiled
def power_gradients(gradient, maps, logarithm, power, exponent, result, totals, tiny):
    """Write the gradients of power = max(maps, 0) ^ exponent of one image.

    All maps are [n_features, height * width]. logarithm: of maps where they are positive; exponent:
    [n_features]. result: of the maps, 0 wherever they are 0 or below; totals: of the exponent,
    summed over each map, [n_features]. Maps below ``tiny`` count as that.
    """
    n_features, n_places = maps.shape
    for feature in range(n_features):
        values, logs = maps[feature], logarithm[feature]
        upstream, powers = gradient[feature], power[feature]
        results, factor = result[feature], exponent[feature]
        total = ZERO
        for i in range(n_places):
            by_power = upstream[i] * powers[i]
            total += ZERO if values[i] <= ZERO else by_power * logs[i]
            value = tiny if values[i] < tiny else values[i]
            results[i] = ZERO if values[i] <= ZERO else by_power / value * factor
        totals[feature] = total


@_compiled
def sum_neighbours(maps, shares, after, width, sums, first, last):
    """Write after * (weighted sums over the square of some places around each place).

    shares: [side of the square, height * width], the weight of each neighbour in a row for each
    place, 0 beyond the border; the same rows of the square are summed without weights. after:
    [height * width].
    """
    side, n_places = shares.shape
    reach = side // 2
    shown = np.zeros(n_places + 2 * reach, np.float32)
    along = np.zeros(n_places + 2 * reach * width, np.float32)
    for image in range(first, last):
        for feature in range(maps.shape[1]):
            values, results = maps[image, feature], sums[image, feature]
            for i in range(n_places):
                shown[reach + i] = values[i]
            centre = along[reach * width :]
            for i in range(n_places):
                centre[i] = ZERO
            for step in range(side):
                share, neighbours = shares[step], shown[step:]
                for i in range(n_places):
                    centre[i] += share[i] * neighbours[i]
            for i in range(n_places):
                results[i] = ZERO
            for step in range(side):
                neighbours = along[step * width :]
                for i in range(n_places):
                    results[i] += neighbours[i]
            for i in range(n_places):
                results[i] *= after[i]
