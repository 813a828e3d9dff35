"""The 22 properties: recorded check values, the published algorithm, and cases by hand."""

import warnings

import numpy as np
import pytest
from scipy.interpolate import UnivariateSpline

from v1lib import v1_properties as properties
from v1lib.v1_stimuli import FREQUENCIES, ORIENTATIONS_DEG, PHASES_DEG, RADII_DEG

NO_BASELINE = np.zeros(1)


def tuned(preferred=50.0, kappa=3.0, peak=20.0, floor=2.0):
    angle = np.deg2rad(2 * (ORIENTATIONS_DEG - preferred))
    return floor + peak * np.exp(kappa * (np.cos(angle) - 1))


def phases(dc, f1=0.0):
    """Responses to the eight phases with a given mean and first harmonic."""
    dc = np.asarray(dc, dtype=float)[..., None]
    return dc + np.asarray(f1)[..., None] * np.cos(np.deg2rad(PHASES_DEG) - 0.3)


# ---- recorded check values ---------------------------------------------------------------------


def test_orientation_curve_of_the_reference():
    curve = tuned()[None]
    assert properties.circular_variance(curve)[0] == pytest.approx(0.426162, abs=5e-7)
    assert properties.orientation_bandwidth(curve)[0] == 18.5
    assert properties.preferred_orientation(curve)[0] == 50
    assert properties.orthogonal_preferred_ratio(curve)[0] == pytest.approx(0.0972047, abs=5e-8)


def test_frequency_curve_of_the_reference():
    curve = 30 * np.exp(-((np.log2(FREQUENCIES) - 1.1) ** 2) / (2 * 0.9**2))[None]
    assert properties.spatial_frequency_bandwidth(curve)[0] == pytest.approx(34.4391, abs=5e-5)
    assert properties.peak_spatial_frequency(curve)[0] == pytest.approx(2.169593, abs=5e-7)


def test_size_curve_of_the_reference():
    squared = RADII_DEG**2
    curve = 40 * (1 - np.exp(-squared / 0.4**2)) - 15 * (1 - np.exp(-squared / 1.2**2))
    found = properties.size_tuning(curve[None])
    assert found["grating_summation_field"][0] == pytest.approx(1.189207, abs=5e-7)
    assert found["surround_diameter"][0] == pytest.approx(4.756828, abs=5e-7)
    assert found["surround_suppression_index"][0] == pytest.approx(0.258119, abs=5e-7)


def test_textures_of_the_reference():
    family = np.arange(1.0, 16.0)
    modulation = properties.texture_modulation(np.stack([family, 1.5 * family])[None])
    assert modulation[0] == pytest.approx(0.2)
    assert properties.sparseness(family[None])[0] == pytest.approx(0.2419355, abs=5e-8)
    i, j = np.indices((15, 15))
    found = properties.variance_ratio((2 + np.sin(i) + 0.5 * np.cos(3 * j + i))[None])
    expected = (3.633371, 0.795541, 0.204459)
    np.testing.assert_allclose(np.ravel(found), expected, atol=5e-7)


# ---- the published algorithm -------------------------------------------------------------------


def published_bandwidth(curve, weights, threshold=0.707):
    """Orientation bandwidth and peak, unit by unit, as the published code has them."""
    angles = np.concatenate([ORIENTATIONS_DEG + turn for turn in (-180, 0, 180)])
    smooth = np.convolve(np.array(weights) / np.sum(weights), np.tile(curve, 3), mode="same")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FITPACK: no smoothing was asked for
        fine = UnivariateSpline(angles, smooth, s=0.0)(np.linspace(-180, 359, 540))
    peak = int(np.argmax(fine[180:360]))
    low = np.flatnonzero(fine <= fine[peak + 180] * threshold)
    left, right = low[low < peak + 180], low[low > peak + 180]
    if not (len(left) and len(right)) or right[0] - left[-1] > 180:
        return np.nan, peak
    return (right[0] - left[-1]) / 2, peak


def published_frequency(curve):
    padded = np.concatenate([curve[:1], curve[:1], curve, curve[-1:], curve[-1:]])
    smooth = np.convolve(np.array([0, 0.2, 1, 0.2, 0]) / 1.4, padded, mode="valid")
    points = np.linspace(np.log2(FREQUENCIES[0]), np.log2(FREQUENCIES[-1]), 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fine = UnivariateSpline(np.log2(FREQUENCIES), smooth, s=0.0)(points)
    peak = int(np.argmax(fine))
    low = np.flatnonzero(fine <= fine[peak] * 0.707)
    left, right = low[low < peak], low[low > peak]
    ends = (points[left[-1]] if len(left) else np.nan, points[right[0]] if len(right) else np.nan)
    return 100 * 2 ** (ends[0] - ends[1]), 2 ** points[peak]


@pytest.fixture(scope="module")
def curves():
    """Orientation and frequency curves of all sorts, those without a bandwidth among them."""
    rng = np.random.default_rng(0)
    oriented = [
        tuned(rng.uniform(0, 180), rng.uniform(0.1, 8), 20, rng.uniform(0, 80)) for _ in range(40)
    ]
    oriented += list(rng.uniform(0, 30, (20, 12)))
    width, centre = rng.uniform(0.3, 3, 40), rng.uniform(-2, 4.5, 40)
    distance = np.log2(FREQUENCIES) - centre[:, None]
    banded = [*np.exp(-(distance**2) / (2 * width[:, None] ** 2)), *rng.uniform(0, 1, (20, 22))]
    return np.array(oriented), np.array(banded)


def test_orientation_splines_are_the_published_ones(curves):
    oriented, _ = curves
    expected = [published_bandwidth(curve, (0, 0.4, 1, 0.4, 0)) for curve in oriented]
    bandwidth = np.array(expected)[:, 0]
    assert 5 < np.isnan(bandwidth).sum() < 40
    np.testing.assert_array_equal(properties.orientation_bandwidth(oriented), bandwidth)
    peak = np.array([published_bandwidth(curve, (0, 0.2, 1, 0.2, 0))[1] for curve in oriented])
    wrapped = np.where(peak >= 157.5, peak - 180, peak)
    np.testing.assert_array_equal(properties.preferred_orientation(oriented), wrapped)
    assert (wrapped < 0).any()


def test_frequency_splines_are_the_published_ones(curves):
    _, banded = curves
    bandwidth, peak = np.array([published_frequency(curve) for curve in banded]).T
    assert 5 < np.isnan(bandwidth).sum() < 50
    np.testing.assert_allclose(properties.spatial_frequency_bandwidth(banded), bandwidth)
    np.testing.assert_allclose(properties.peak_spatial_frequency(banded), peak)


# ---- sets of stimuli ---------------------------------------------------------------------------


def test_mean_and_first_harmonic():
    dc, f1 = properties.dc_and_f1(phases([[3.0, 4.0]], [[2.0, 0.0]]))
    np.testing.assert_allclose(dc, [[3, 4]])
    np.testing.assert_allclose(f1, [[2, 0]], atol=1e-12)


def test_orientation_properties_are_those_of_the_preferred_condition():
    curve = tuned(preferred=160, floor=3)
    dc = np.full((1, 3, 4, 12), 1.0)
    dc[0, 1, 2] = curve
    dc[0, 2, 3, 5] = curve.max() - 0.1
    f1 = np.zeros(dc.shape)
    f1[0, 1, 2] = 0.5 * curve
    f1[0, 0, 0] = 99  # a larger harmonic elsewhere does not decide
    found = properties.orientation_properties(phases(dc, f1), np.array([2.0]))
    values = {name: value[0] for name, value in found.by_name.items()}
    assert found.kept.all()
    assert values["max_dc"] == pytest.approx(curve.max())
    assert values["modulation_ratio"] == pytest.approx(0.5)
    assert values["preferred_orientation"] == -20
    variance = properties.circular_variance(curve[None])[0]
    ratio = properties.orthogonal_preferred_ratio(curve[None])[0]
    bandwidth = properties.orientation_bandwidth(curve[None])[0]
    assert values["circular_variance"] == pytest.approx(variance)
    assert values["circular_variance_bandwidth_ratio"] == pytest.approx(variance / bandwidth)
    difference = "orthogonal_preferred_ratio_circular_variance_difference"
    assert values[difference] == pytest.approx(ratio - variance)
    assert values["orientation_selective"] == 1


def test_a_unit_without_bandwidth_is_not_selective():
    found = properties.orientation_properties(phases(np.full((1, 3, 4, 12), 9.0)), NO_BASELINE)
    assert found.kept[0]
    assert np.isnan(found.by_name["bandwidth"][0])
    assert np.isnan(found.by_name["circular_variance_bandwidth_ratio"][0])
    assert found.by_name["orientation_selective"][0] == 0


def test_units_count_from_5_spikes_per_second_each_criterion_in_its_way():
    """Where a baseline is subtracted, and where F1 alone suffices, differs by study."""
    baseline = np.array([1.0, 1.0, 1.0])
    for rates, criteria in {
        (3, 4, 12): {properties.orientation_properties: [True, False, False]},
        (2, 22, 6): {
            properties.frequency_bandwidth_properties: [True, False, False],
            properties.peak_frequency_properties: [True, False, True],
        },
        (12, 4, 6): {properties.size_properties: [True, False, True]},
    }.items():
        dc = np.multiply.outer([6.01, 5.99, 4.0], np.ones(rates))
        f1 = np.multiply.outer([0.0, 0.0, 5.5], np.ones(rates))
        for criterion, expected in criteria.items():
            found = criterion(phases(dc, f1), baseline)
            assert found.kept.tolist() == expected, criterion.__name__


def test_the_larger_of_dc_above_baseline_and_f1_gives_the_curve():
    dc_peak, f1_peak = (np.exp(-((np.log2(FREQUENCIES) - centre) ** 2)) for centre in (0.0, 2.0))
    dc = np.broadcast_to((12 + 8 * dc_peak)[:, None], (1, 2, 22, 6))
    f1 = np.broadcast_to((10 * f1_peak)[:, None], (1, 2, 22, 6))
    rates = phases(dc, f1)
    by_f1 = properties.peak_frequency_properties(rates, np.array([12.0]))
    by_dc = properties.peak_frequency_properties(rates, np.array([9.0]))
    assert by_f1.by_name["peak_spatial_frequency"][0] == pytest.approx(4, rel=0.03)
    assert by_dc.by_name["peak_spatial_frequency"][0] == pytest.approx(1, rel=0.03)
    # Schiller et al. take DC as it is, whatever the baseline.
    expected = properties.spatial_frequency_bandwidth(dc[0, 0].T[:1])
    found = properties.frequency_bandwidth_properties(rates, np.array([12.0]))
    np.testing.assert_allclose(found.by_name["spatial_frequency_bandwidth"], expected)


def test_size_properties_of_suppressed_and_other_units():
    curves = np.array(
        [
            [1, 4, 9.6, 10, 9, 8, 6.2, 6, 6, 6, 6, 6.0],  # suppressed
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 9.5],  # by 5 %: too little for diameters
            [1, 4, 9, 10, 6, 2, 0, -1, -2, -2, -2, -2],  # below baseline
        ]
    )
    found = properties.size_tuning(curves)
    np.testing.assert_allclose(found["surround_suppression_index"], [0.4, 0.05, 1.2])
    summation = [2 * RADII_DEG[2], np.nan, 2 * RADII_DEG[3]]
    np.testing.assert_allclose(found["grating_summation_field"], summation)
    # The first radius beyond the peak within 5 % of the plateau: 6.3, and -1.9.
    surround = [2 * RADII_DEG[6], np.nan, 2 * RADII_DEG[8]]
    np.testing.assert_allclose(found["surround_diameter"], surround)


def test_texture_properties_subtract_the_baseline_but_do_not_rectify():
    rng = np.random.default_rng(1)
    rates = rng.uniform(0, 20, (3, 2, 15, 15))
    baseline = np.array([4.0, 0.0, 19.9])
    found = properties.texture_properties(rates, baseline)
    above = rates - baseline[:, None, None, None]
    families = above.mean(axis=3)
    modulation = (families[:, 1] - families[:, 0]) / (families[:, 1] + families[:, 0])
    index = found.by_name["texture_modulation_index"]
    np.testing.assert_allclose(index, modulation.mean(axis=1))
    np.testing.assert_allclose(found.by_name["absolute_texture_modulation_index"], np.abs(index))
    np.testing.assert_allclose(found.by_name["max_texture"], above[:, 1].max(axis=(1, 2)))
    np.testing.assert_allclose(found.by_name["max_noise"], above[:, 0].max(axis=(1, 2)))
    assert found.kept.tolist() == [True, True, False]
    assert set(found.by_name) == set(properties.TEXTURE_PROPERTIES)
    # Counts in 0.1 s come from rates before the subtraction.
    roots = np.sqrt(rates[:, 1] / 10) + np.sqrt(rates[:, 1] / 10 + 1)
    np.testing.assert_allclose(found.by_name["variance_ratio"], properties.variance_ratio(roots)[0])


def test_a_family_without_a_value_does_not_count():
    families = np.array([[[0.0, 2.0, 3.0], [0.0, 2.0, 1.0]]])
    assert properties.texture_modulation(families)[0] == pytest.approx(-0.25)


def test_no_units_have_no_properties():
    none = np.zeros(0)
    for criterion, shape in (
        (properties.orientation_properties, (0, 3, 4, 12, 8)),
        (properties.peak_frequency_properties, (0, 2, 22, 6, 8)),
        (properties.frequency_bandwidth_properties, (0, 2, 22, 6, 8)),
        (properties.size_properties, (0, 12, 4, 6, 8)),
        (properties.texture_properties, (0, 2, 15, 15)),
    ):
        found = criterion(np.zeros(shape), none)
        assert all(values.shape == (0,) for values in found.by_name.values())
