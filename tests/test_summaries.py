"""Summaries, gaps and verdicts: by hand, with undefined values."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from v1lib.summaries import (
    Interval,
    agreement,
    claim_verdict,
    gap_closed,
    summarise,
    t_interval,
)

SCRIPTS = Path(__file__).parents[1] / "scripts"
NAN = math.nan


def test_summary_by_hand_with_both_ddof():
    values = [1.0, NAN, 2.0, 3.0, 6.0]
    population, estimate = summarise(values, ddof=0), summarise(values, ddof=1)
    assert (population.n, population.n_undefined) == (4, 1)
    assert (population.mean, population.median) == (3.0, 2.5)
    assert population.sem == pytest.approx(math.sqrt(14 / 4) / 2)
    assert estimate.sem == pytest.approx(math.sqrt(14 / 3) / 2)


def test_summary_of_too_few_values_is_undefined():
    assert math.isnan(summarise([NAN], ddof=0).mean) and summarise([NAN], ddof=0).n == 0
    assert summarise([2.0], ddof=0).sem == 0
    assert math.isnan(summarise([2.0], ddof=1).sem)


def test_t_interval_from_the_table():
    # n = 4: t(0.975, 3) = 3.1824.
    interval = t_interval([1.0, 2.0, 3.0, 6.0])
    half = 3.182446 * math.sqrt(14 / 3) / 2
    assert (interval.low, interval.high) == pytest.approx((3 - half, 3 + half))
    assert math.isnan(t_interval([1.0]).low)
    assert t_interval([1, 2, 3, 6], confidence=0.5).low > interval.low


def test_t_interval_ends_where_values_do():
    free, cut = t_interval([0.5, 1.0, 1.0]), t_interval([0.5, 1.0, 1.0], within=(0.0, 1.0))
    assert free.high > 1 and cut == Interval(free.low, 1.0)
    assert t_interval([0.0, 0.0, 0.5], within=(0.0, 1.0)).low == 0
    assert math.isnan(t_interval([0.5], within=(0.0, 1.0)).low)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.3, "supported"),
        (-0.1, 0.3, "undecided"),
        (-0.3, -0.1, "contradicted"),
        (-0.3, 0.0, "contradicted"),
        (NAN, NAN, "not tested"),
    ],
)
def test_verdict_of_a_claim(low, high, verdict):
    assert claim_verdict(Interval(low, high), above=0.0) == verdict


@pytest.mark.parametrize(
    ("ours", "published", "errors", "verdict"),
    [
        (0.54, 0.556, (0.016, 0.01), "reproduced"),
        (0.45, 0.556, (0.016, 0.01), "differs"),
        (0.54, 0.556, (NAN, 0.01), "reproduced"),
        (NAN, 0.556, (0.016, 0.01), "not run"),
        (0.54, NAN, (0.016, 0.01), "not comparable"),
        (0.54, 0.54, (NAN, NAN), "not comparable"),
    ],
)
def test_agreement_with_a_published_value(ours, published, errors, verdict):
    assert agreement(ours, published, our_error=errors[0], published_error=errors[1]) == verdict


def test_gap_closed():
    assert gap_closed(0.46, low=0.4, high=0.5) == pytest.approx(60)
    assert gap_closed(0.38, low=0.4, high=0.5) == pytest.approx(-20)
    assert math.isnan(gap_closed(0.4, low=0.4, high=0.4))
    assert math.isnan(gap_closed(0.4, low=0.5, high=0.4))


@pytest.mark.parametrize("module", ["summaries", "score_tables"])
def test_the_libraries_of_tests_are_not_loaded(module):
    """What so many figures import must not take as long as all else that they need."""
    code = f"import sys; import v1lib.{module}; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=SCRIPTS, text=True).split()
    assert f"v1lib.{module}" in loaded
    assert not {"scipy.stats", "statsmodels"} & set(loaded)
