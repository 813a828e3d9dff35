"""Published values beside ours: verdicts, their rule, and that simulated data never enter."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from v1lib.comparison import (
    AT_LEAST,
    AT_MOST,
    PUBLISHED_COLUMNS,
    Measured,
    as_table,
    compare,
    fact,
    over_neurons,
    over_splits,
    page_table,
)
from v1lib.files import write_csv

PUBLISHED = Path(__file__).resolve().parents[1] / "report" / "published_values.csv"


@pytest.fixture
def judge(tmp_path):
    """Verdict and reason for one of our results against one published value."""

    def verdict(result, *, value=0.5, error=math.nan, verified="yes"):
        row = dict.fromkeys(PUBLISHED_COLUMNS, "")
        row |= {"id": "p.a", "paper": "p", "item": "i", "metric": "m", "source": "s"}
        row |= {"value": value, "error": error, "n": 7, "verified": verified}
        write_csv(pd.DataFrame([row]), tmp_path / "published.csv")
        write_csv(as_table([result] if result else []), tmp_path / "measured.csv")
        return compare(tmp_path / "published.csv", [tmp_path / "measured.csv"]).iloc[0]

    return verdict


def mean_and_error(value, error, **more):
    return Measured("p.a", value, "real", spread=error, spread_type="SEM", n=9, error=error, **more)


def test_a_value_within_two_combined_errors_is_reproduced(judge):
    # sqrt(0.03^2 + 0.04^2) = 0.05
    assert judge(mean_and_error(0.599, 0.03), error=0.04)["verdict"] == "reproduced"
    row = judge(mean_and_error(0.601, 0.03), error=0.04)
    assert row["verdict"] == "differs"
    assert row["combined_error"] == pytest.approx(0.05)
    assert row["difference"] == pytest.approx(0.101)


def test_a_small_error_does_not_excuse_a_large_difference(judge):
    """Negative control."""
    assert judge(mean_and_error(0.3, 0.001), error=0.005)["verdict"] == "differs"


def test_facts_must_be_equal(judge):
    assert judge(fact("p.a", 355, "real"), value=355)["verdict"] == "reproduced"
    assert judge(fact("p.a", 354, "real"), value=355)["verdict"] == "differs"
    assert judge(fact("p.a", 26_736_684, "real"), value=26_736_683)["verdict"] == "differs"
    assert judge(fact("p.a", 2 / 3, "real"), value=0.666667)["verdict"] == "reproduced"


def test_lower_bounds(judge):
    bound = Measured("p.a", 600_000, "real", spread_type=AT_LEAST)
    assert judge(bound, value=590_000)["verdict"] == "reproduced"
    assert judge(bound, value=610_000)["verdict"] == "differs"


def test_upper_bounds(judge):
    bound = Measured("p.a", 0.01, "real", spread_type=AT_MOST)
    assert judge(bound, value=0.024)["verdict"] == "reproduced"
    assert judge(bound, value=0.005)["verdict"] == "differs"


def test_simulated_results_never_enter(judge):
    equal = Measured("p.a", 0.5, "simulated", spread=0.1, spread_type="SEM", n=9, error=0.1)
    row = judge(equal)
    assert (row["verdict"], row["reason"]) == ("not run", "simulated data")
    assert row[["ours", "difference", "spread", "n_ours", "combined_error"]].isna().all()
    assert judge(fact("p.a", 0.5, "simulated"))["verdict"] == "not run"


def test_what_is_not_comparable_is_shown_with_its_difference_and_the_reason(judge):
    row = judge(mean_and_error(0.5, 0.1, comparability="Poisson surrogate"))
    assert (row["verdict"], row["reason"]) == ("not comparable", "Poisson surrogate")
    assert row["difference"] == 0


def test_what_was_not_run(judge):
    assert judge(None)["verdict"] == "not run"
    row = judge(Measured("p.a", math.nan, "real", note="needs gratings"))
    assert (row["verdict"], row["reason"]) == ("not run", "needs gratings")


def test_two_values_without_any_error_are_not_comparable(judge):
    assert judge(Measured("p.a", 0.5, "real"))["verdict"] == "not comparable"


def test_a_recalled_published_value_is_said_to_be_one(judge):
    assert "recalled" in judge(mean_and_error(0.5, 0.1), verified="memory")["reason"]


def test_mistakes_are_named(judge, tmp_path):
    with pytest.raises(ValueError, match=r"id 'p\.unknown'"):
        judge(fact("p.unknown", 1, "real"))
    with pytest.raises(ValueError, match=r"p\.a is measured twice"):
        as_table([fact("p.a", 1, "real")] * 2)
    judge(fact("p.a", 1, "real"))
    paths = tmp_path / "published.csv", [tmp_path / "measured.csv"] * 2
    with pytest.raises(ValueError, match=r"id p\.a twice"):
        compare(*paths)


@pytest.mark.parametrize("statistic", ["mean", "median"])
@pytest.mark.parametrize(("shift", "lowest", "highest"), [(0.0, 0.85, 1.0), (0.15, 0.0, 0.1)])
def test_two_laboratories_with_seven_splits_each(judge, statistic, shift, lowest, highest):
    """The same truth is mostly reproduced; a truth 3 SD away, the negative control, is not."""
    rng = np.random.default_rng(0)
    estimate = {"mean": np.mean, "median": np.median}[statistic]
    verdicts = []
    for _ in range(40):
        theirs, ours = rng.normal(0.3, 0.05, 7), rng.normal(0.3 + shift, 0.05, 7)
        result = over_splits("p.a", ours, "real", statistic=statistic, published_splits=7)
        verdicts.append(judge(result, value=estimate(theirs), error=0.005)["verdict"])
    assert lowest <= np.mean([verdict == "reproduced" for verdict in verdicts]) <= highest


def test_a_single_published_split_scatters_by_the_full_spread():
    result = over_splits("a", [0.1, 0.2, 0.3], "real", statistic="mean", published_splits=1)
    assert result.value == pytest.approx(0.2)
    assert result.published_sampling_error == pytest.approx(0.1)
    assert result.error == pytest.approx(0.1 / math.sqrt(3))


def test_one_split_of_ours_is_not_comparable(judge):
    result = over_splits("p.a", [0.2], "real", statistic="median", published_splits=7)
    row = judge(result, error=0.005)
    assert (row["verdict"], row["reason"]) == ("not comparable", "one split only")


def test_means_over_neurons_leave_out_what_is_undefined():
    result = over_neurons("a", [0.2, math.nan, 0.4], "real")
    assert (result.value, result.n) == (pytest.approx(0.3), 2)
    assert result.spread == pytest.approx(0.1 / math.sqrt(2))


def test_the_page_says_why(judge):
    row = judge(Measured("p.a", 0.5, "simulated"))
    assert "not run: simulated data" in page_table(row.to_frame().T.infer_objects())
    row = judge(mean_and_error(0.5, 0.0123))
    assert "0.500 ± 0.012 (SEM, n = 9)" in page_table(row.to_frame().T.infer_objects())


@pytest.fixture(scope="module")
def published():
    return pd.read_csv(PUBLISHED)


def test_published_values_have_one_row_and_a_source_each(published):
    assert tuple(published.columns) == PUBLISHED_COLUMNS
    assert published["id"].is_unique
    assert published[["id", "paper", "item", "metric", "value", "source"]].notna().all().all()
    assert set(published["verified"]) <= {"yes", "secondary", "memory"}
    assert published["id"].str.fullmatch(r"[a-z0-9]+(\.[a-z0-9_]+)+").all()


def test_published_values_of_kindel2019_agree_with_each_other(published):
    value = published.set_index("id")["value"].filter(like="kindel2019.")
    cells = value.filter(like=".cells_session")
    assert cells.sum() == value["kindel2019.data.cells_all"]
    without = cells.drop("kindel2019.data.cells_session02").sum()
    assert without == value["kindel2019.population.n_neurons"]
    assert value.filter(like="kindel2019.split.").sum() == value["kindel2019.data.n_images"]
