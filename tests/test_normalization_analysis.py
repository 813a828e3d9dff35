"""Orientation of filters and the normalization input, against the published code's numbers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from v1lib import normalization_input as ni
from v1lib import orientation_of_filters as oof
from v1lib.summaries import cohens_d

THRESHOLD = 0.125


def gabor(angle_deg, *, size=13, cycles_per_px=0.15):
    c = np.arange(size) - size // 2
    x, y = np.meshgrid(c, c)
    angle = np.deg2rad(angle_deg)
    along = np.cos(angle) * x + np.sin(angle) * y
    wave = np.cos(2 * np.pi * cycles_per_px * along + 0.3)
    return np.exp(-(x**2 + y**2) / 12.5) * wave


@pytest.fixture
def case(golden):
    return golden("burg2021/analysis.npz")


@pytest.fixture
def kernels(case):
    """Kernels [F, rows, columns] as a network holds them."""
    return np.moveaxis(case["conv_weights"][:, :, 0], -1, 0)


@pytest.fixture
def angles(case):
    return case["angles_threshold0p125_nan_is_unoriented"]


@pytest.fixture
def inputs(case):
    return ni.normalization_input(case["p"][0, 0], case["pooled"].mean((0, 1, 2)))


# ---- orientation ----------------------------------------------------------------------------


def test_filters_are_analysed_with_rows_and_columns_swapped(case, kernels):
    assert_array_equal(oof.as_analysed(kernels), case["features_chanfirst"])


def test_resultants_are_those_of_the_published_code(case, kernels):
    found = oof.resultants(oof.as_analysed(kernels))
    assert_allclose(found.real, case["resultant_real"], rtol=1e-4, atol=1e-5)
    assert_allclose(found.imag, case["resultant_imag"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("threshold", "name"), [(0.125, "0p125"), (0.2, "0p2")])
def test_angles_are_those_of_the_published_code(case, kernels, threshold, name):
    found = oof.orientations(oof.as_analysed(kernels), criterion="original", threshold=threshold)
    expected = case[f"angles_threshold{name}_nan_is_unoriented"]
    assert 0 < np.isnan(expected).sum() < len(expected)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("criterion", list(oof.LENGTHS))
def test_gratings_have_the_recorded_angles(criterion):
    expected = [
        *(89.916, 75.246, 60.272, 45.000, 29.728, 14.754),
        *(0.084, 165.392, 150.357, 135.000, 119.643, 104.608),
    ]
    filters = np.stack([gabor(angle) for angle in range(0, 180, 15)])
    found = oof.orientations(filters, criterion=criterion, threshold=0.05)
    assert_allclose(np.rad2deg(found), expected, atol=5e-4)


def test_the_original_length_depends_on_scale_and_the_scale_free_one_does_not():
    filters = np.stack([gabor(0), 0.1 * gabor(0)])
    assert_allclose(np.abs(oof.resultants(filters)), [0.065311, 0.653109], atol=5e-7)
    free = oof.concentrations(filters)
    assert free[0] == pytest.approx(free[1], rel=1e-12)
    original = oof.orientations(filters, criterion="original", threshold=THRESHOLD)
    assert_array_equal(np.isnan(original), [True, False])


def test_faint_noise_passes_the_original_threshold_but_not_the_scale_free_one():
    noise = 0.01 * np.random.default_rng(0).normal(size=(500, 13, 13))
    passing = {
        name: np.isfinite(oof.orientations(noise, criterion=name, threshold=threshold)).mean()
        for name, threshold in (("original", THRESHOLD), ("scale_free", 0.3))
    }
    assert passing["original"] > 0.85
    assert passing["scale_free"] < 0.02


@pytest.mark.parametrize("size", [5, 9, 13, 20])
def test_filters_of_any_size_have_their_angle(size):
    found = oof.orientations(
        np.stack([gabor(30, size=size, cycles_per_px=0.2), gabor(120, size=size)]),
        criterion="scale_free",
        threshold=0.1,
    )
    assert_allclose(np.rad2deg(found), [60, 150], atol=3)


def test_a_filter_of_zeros_is_unoriented():
    filters = np.stack([gabor(0), np.zeros((13, 13))])
    for criterion in oof.LENGTHS:
        found = oof.orientations(filters, criterion=criterion, threshold=0.0)
        assert_array_equal(np.isnan(found), [False, True])


@pytest.mark.parametrize(
    ("filters", "message"), [(np.ones((2, 3, 4)), "expected"), (np.ones((65, 65)), "at most 64")]
)
def test_filters_of_a_wrong_shape_are_refused(filters, message):
    with pytest.raises(ValueError, match=message):
        oof.amplitude_spectra(filters)


def test_an_unknown_criterion_is_refused_by_name():
    with pytest.raises(ValueError, match="'roundness'"):
        oof.orientations(gabor(0), criterion="roundness", threshold=0.1)


def test_angle_differences_are_those_of_the_published_code(case, angles):
    expected = case["angle_difference_nan_is_unoriented"]
    assert_allclose(oof.angle_differences(angles), expected, rtol=1e-4, atol=1e-5)


def test_angles_wrap_around_at_180_degrees():
    difference = oof.angle_differences(np.deg2rad([1.0, 179.0, 91.0]))
    assert_allclose(np.rad2deg(difference), [[0, 2, 90], [2, 0, 88], [90, 88, 0]], atol=1e-9)


def test_the_matrix_is_ordered_by_angle_and_then_by_input():
    angles = np.array([np.nan, 2.0, 0.5, np.nan, 1.0, np.nan])
    inputs = np.zeros((6, 6))
    inputs[0, 3], inputs[3, 3], inputs[5, 0] = 0.5, 0.1, 0.3
    inputs[3, 1] = 9.0  # to an oriented one: does not count
    assert_array_equal(oof.matrix_order(angles, inputs), [2, 4, 1, 3, 5, 0])
    assert_array_equal(oof.matrix_order(angles, inputs, rotate=1), [4, 1, 2, 3, 5, 0])


# ---- normalization input --------------------------------------------------------------------


def test_inputs_are_those_of_the_published_code(case, inputs):
    assert_allclose(inputs, case["norm_input"], rtol=1e-4, atol=1e-5)


def test_sums_and_masks_are_those_of_the_published_code(case, inputs, angles):
    found = ni.summed_by_orientation(inputs, angles, similar_below_deg=45)
    assert float(found.similar) == pytest.approx(float(case["sim_input_sum"]), rel=1e-4)
    assert float(found.dissimilar) == pytest.approx(float(case["dissim_input_sum"]), rel=1e-4)
    assert found.n_similar == case["mask_similar"].sum()
    assert found.n_dissimilar == case["mask_dissimilar"].sum()


def test_statistics_over_models_are_those_of_the_published_code(case):
    found = ni.compare_over_models(case["models_sim_input"], case["models_dissim_input"])
    assert found.n == 10
    assert found.ratio == pytest.approx(float(case["models_ratio_mean"]), rel=1e-6)
    interval = [found.interval.low, found.interval.high]
    assert_allclose(interval, case["models_ratio_conf_int95"], rtol=1e-6)
    assert found.p == pytest.approx(float(case["models_wilcoxon_pvalue"]), rel=1e-6)
    assert found.cohens_d == pytest.approx(float(case["models_cohens_d"]), rel=1e-6)


def test_likeness_has_the_sign_of_the_published_cosine(case):
    pair = np.stack([case["cos_a"], case["cos_b"]])
    found = ni.summed_by_likeness(np.array([[1.0, 2.0], [3.0, 4.0]]), pair)
    assert case["cosine_similarity"] < 0
    assert (found.similar, found.dissimilar) == (5.0, 5.0)


def test_perpendicular_filters_count_as_unlike():
    filters = np.array([[[1.0, 0], [0, 0]], [[0, 1.0], [0, 0]]])
    found = ni.summed_by_likeness(np.array([[1.0, 2.0], [3.0, 4.0]]), filters)
    assert (found.similar, found.dissimilar) == (5.0, 5.0)
    assert (found.n_similar, found.n_dissimilar) == (2, 2)


def test_the_point_of_a_feature_is_what_it_provides_or_what_it_receives():
    angles = np.deg2rad([0.0, 30.0, 90.0])
    inputs = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0], [64.0, 128.0, 256.0]])
    options = {"similar_below_deg": 45}
    provided = ni.similar_and_dissimilar_of_features(
        inputs, angles, summed_over="normalized", **options
    )
    assert_array_equal(provided, [[3, 24, 256], [4, 32, 192]])
    received = ni.similar_and_dissimilar_of_features(
        inputs, angles, summed_over="providers", **options
    )
    assert_array_equal(received, [[9, 18, 256], [64, 128, 36]])
    with pytest.raises(ValueError, match="'both'"):
        ni.similar_and_dissimilar_of_features(inputs, angles, summed_over="both", **options)


def test_unoriented_features_have_no_point():
    angles = np.array([0.0, np.nan])
    similar, dissimilar = ni.similar_and_dissimilar_of_features(
        np.ones((2, 2)), angles, similar_below_deg=45, summed_over="normalized"
    )
    assert_array_equal(similar, [1, np.nan])
    assert_array_equal(dissimilar, [0, np.nan])


def test_there_are_nine_bins_and_the_last_holds_the_right_angle():
    angles = np.deg2rad([0.0, 5.0, 90.0])
    edges, sums = ni.binned_input(np.ones((3, 3)), angles, bin_width_deg=10)
    assert_array_equal(edges, np.arange(0, 91, 10))
    assert_array_equal(sums, [5, 0, 0, 0, 0, 0, 0, 0, 4])
    with pytest.raises(ValueError, match="25"):
        ni.binned_input(np.ones((3, 3)), angles, bin_width_deg=25)


def test_bins_add_up_to_the_sums_of_the_published_case(case, inputs, angles):
    _, sums = ni.binned_input(inputs, angles, bin_width_deg=10)
    total = float(case["sim_input_sum"] + case["dissim_input_sum"])
    assert sums.sum() == pytest.approx(total, rel=1e-4)
    _, halves = ni.binned_input(inputs, angles, bin_width_deg=45)
    assert halves[0] == pytest.approx(float(case["sim_input_sum"]), rel=1e-4)


def test_models_are_analysed_together_as_one_by_one():
    rng = np.random.default_rng(1)
    inputs, angles = rng.random((3, 5, 5)), rng.uniform(0, np.pi, (3, 5))
    together = ni.summed_by_orientation(inputs, angles, similar_below_deg=45).similar
    _, bins = ni.binned_input(inputs, angles, bin_width_deg=10)
    for model in range(3):
        alone = ni.summed_by_orientation(inputs[model], angles[model], similar_below_deg=45)
        assert together[model] == alone.similar
        assert_array_equal(
            bins[model], ni.binned_input(inputs[model], angles[model], bin_width_deg=10)[1]
        )


def test_a_model_without_oriented_features_has_no_sums():
    angles = np.array([[np.nan, np.nan], [0.1, 0.2]])
    inputs = np.ones((2, 2, 2))
    found = ni.summed_by_orientation(inputs, angles, similar_below_deg=45)
    assert_array_equal(found.similar, [np.nan, 4])
    assert_array_equal(found.dissimilar, [np.nan, 0])
    _, bins = ni.binned_input(inputs, angles, bin_width_deg=45)
    assert_array_equal(bins, [[np.nan, np.nan], [4, 0]])
    compared = ni.compare_over_models(found.similar, found.dissimilar)
    assert compared.n == 0
    assert np.isnan([compared.ratio, compared.interval.low, compared.cohens_d]).all()


def test_the_regression_is_over_all_ordered_pairs_of_oriented_features():
    angles = np.deg2rad([0.0, 20.0, 90.0, np.nan])
    inputs = np.arange(16.0).reshape(4, 4) ** 1.5
    found = ni.regression_on_difference(inputs, angles)
    difference = [0, 20, 90, 20, 0, 70, 90, 70, 0]
    expected = stats.linregress(difference, inputs[:3, :3].ravel())
    assert found.n == 9
    assert found.slope == pytest.approx(expected.slope)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval.low < found.slope < found.interval.high


def test_a_regression_without_two_differences_is_undefined():
    found = ni.regression_on_difference(np.ones((2, 2)), np.array([0.3, np.nan]))
    assert found.n == 1
    assert np.isnan([found.slope, found.intercept, found.r, found.p]).all()


def test_readout_weights_are_shares_of_each_neuron():
    features = np.array([[3.0, 0.0, 0.0], [-4.0, 2.0, 0.0]])
    assert_allclose(ni.mean_readout_weights(features), [0.3, 0.9])  # the third neuron has none
    assert np.isnan(ni.mean_readout_weights(np.zeros((2, 3)))).all()


def test_cohens_d_is_undefined_without_scatter_or_with_one_value():
    assert cohens_d([1.0, 3.0], [2.0, 6.0]) == pytest.approx(-2 / np.sqrt(5))
    assert np.isnan(cohens_d([1.0, 1.0], [2.0, 2.0]))
    assert np.isnan(cohens_d([1.0], [2.0, 3.0]))
