"""Tests and intervals: by hand, by coverage, with undefined values."""

import math

import numpy as np
import pytest

from v1lib.statistics import (
    bootstrap_interval,
    holm,
    normality,
    paired_comparison,
    pairwise_comparisons,
    rank_correlation,
)
from v1lib.summaries import (
    cohens_d,
    summarise,
    t_interval,
)

NAN = math.nan


@pytest.mark.parametrize("method", ["t", "bootstrap"])
def test_intervals_cover_the_true_mean_as_often_as_they_say(method):
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        sample = rng.normal(5, 2, 40)
        if method == "t":
            interval = t_interval(sample, confidence=0.8)
        else:
            interval = bootstrap_interval(sample, seed=seed, confidence=0.8, n_resamples=499)
        covered += interval.low <= 5 <= interval.high
    # Binomial: 160 +- 5.7; the percentile bootstrap is slightly narrow.
    assert 140 <= covered <= 177


def test_bootstrap_depends_on_its_seed_alone_and_ignores_undefined_values():
    values = np.random.default_rng(1).gamma(2, 1, 30)
    first = bootstrap_interval(values, seed=3)
    assert first == bootstrap_interval(np.append(values, NAN), seed=3)
    assert first != bootstrap_interval(values, seed=4)
    median = bootstrap_interval(values, seed=3, statistic=np.median)
    assert median.low < np.median(values) < median.high
    assert math.isnan(bootstrap_interval([1.0, NAN], seed=0).low)


def test_paired_comparison_by_hand():
    # Differences 3, -1, 2, 4 with ranks 3, 1, 2, 4; one equal and one undefined pair.
    first = [4.0, 1.0, 5.0, 6.0, 2.0, NAN]
    second = [1.0, 2.0, 3.0, 2.0, 2.0, 1.0]
    found = paired_comparison(first, second)
    assert (found.n, found.n_equal, found.n_undefined) == (5, 1, 1)
    assert found.mean_difference == pytest.approx(8 / 5)
    assert found.median_difference == 2
    assert found.rank_biserial == pytest.approx((9 - 1) / 10)
    assert found.statistic == 1
    # 2 of the 16 sign patterns have a smaller sum of at most 1, on either side: 4 / 16.
    assert found.p == pytest.approx(0.25)


def test_paired_comparison_turns_with_its_arguments():
    rng = np.random.default_rng(2)
    first, second = rng.normal(1, 1, 80), rng.normal(0, 1, 80)
    there, back = paired_comparison(first, second), paired_comparison(second, first)
    assert there.p == back.p < 1e-4
    assert there.rank_biserial == -back.rank_biserial > 0.3
    assert there.median_difference == pytest.approx(-back.median_difference)


def test_paired_comparison_of_equal_values_is_undefined_not_significant():
    found = paired_comparison([1.0, 0.0], [1.0, 0.0])
    assert found.n_equal == 2 and math.isnan(found.p) and math.isnan(found.rank_biserial)
    with pytest.raises(ValueError, match="shapes"):
        paired_comparison([1.0, 2.0], [1.0])


def test_paired_test_holds_its_error_rate():
    rng = np.random.default_rng(3)
    p_values = [paired_comparison(*rng.normal(0, 1, (2, 30))).p for _ in range(400)]
    assert 8 <= np.sum(np.array(p_values) < 0.05) <= 33


def test_holm_by_hand():
    corrected = holm([0.01, NAN, 0.04, 0.03])
    np.testing.assert_allclose(corrected, [0.03, NAN, 0.06, 0.06])
    assert np.isnan(holm([NAN])).all()


def test_rank_correlation():
    rho, p, n = rank_correlation([1, 2, 3, 4, NAN, 9], [1, 4, 9, 16, 3, NAN])
    assert (rho, n) == (pytest.approx(1), 4) and p < 0.05
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3])[0])


def test_comparison_of_models_as_recorded_from_the_original(golden):
    data = golden("burg2021/analysis.npz")
    similar, dissimilar = data["models_sim_input"], data["models_dissim_input"]
    ratio = similar / dissimilar
    np.testing.assert_allclose(ratio, data["models_ratio"])
    summary = summarise(ratio, ddof=0)
    assert summary.mean == pytest.approx(float(data["models_ratio_mean"]))
    assert summary.sem == pytest.approx(float(data["models_ratio_sem_ddof0"]))
    interval = t_interval(ratio)
    np.testing.assert_allclose([interval.low, interval.high], data["models_ratio_conf_int95"])
    test = paired_comparison(similar, dissimilar)
    assert test.statistic == float(data["models_wilcoxon_statistic"])
    assert test.p == pytest.approx(float(data["models_wilcoxon_pvalue"]))
    effect = cohens_d(similar, dissimilar)
    assert effect == pytest.approx(float(data["models_cohens_d"]))


def test_fev_of_the_best_draws_as_recorded_from_the_original(golden):
    data = golden("burg2021/analysis.npz")
    for number, fev in enumerate(data["fev_lists"]):
        summary = summarise(fev, ddof=1)
        assert summary.mean == pytest.approx(data["fev_mean"][number])
        assert summary.sem == pytest.approx(data["fev_sem"][number])
        interval = t_interval(fev)
        np.testing.assert_allclose([interval.low, interval.high], data["fev_conf_int"][number])
        np.testing.assert_allclose(normality(fev), data["fev_shapiro"][number])


def test_normality_is_undefined_for_too_few_values():
    assert np.isnan(normality([1.0, 2.0])).all()
    assert np.isnan(normality([1.0, 1.0, 1.0, math.nan])).all()
    assert normality(np.random.default_rng(0).exponential(size=100))[1] < 0.001


def test_pairwise_comparisons_correct_for_their_number():
    rng = np.random.default_rng(0)
    base = rng.normal(size=30)
    groups = {"a": base, "b": base + rng.normal(size=30), "c": base + 1 + 0.1 * rng.normal(size=30)}
    pairs = pairwise_comparisons(groups)
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    p = [pair.comparison.p for pair in pairs]
    assert p[1] == paired_comparison(groups["a"], groups["c"]).p
    np.testing.assert_array_equal([pair.p_holm for pair in pairs], holm(p))
    assert pairs[1].p_holm == pytest.approx(3 * p[1])
    with pytest.raises(ValueError, match="shapes"):
        pairwise_comparisons(groups | {"d": base[:-1]})
