"""Searches: every draw once, and the starting point in every factor that it stands for."""

import pandas as pd
import pytest

import made_up_kindel2019 as made
from v1lib.score_tables import by_run_and_neuron
from v1lib.search_tables import as_text, draws_of

ONE_AT_A_TIME = {
    "paper": [1],
    "hidden_units": [150, 600],
    "dropout_keep": [0.35, 1.0],
    "num_conv_layers": [3],
}


def draws(model, points, n_splits, pooled=()):
    scores, records = made.search(model, points, n_splits, n_cells=5)
    return draws_of(by_run_and_neuron(scores), pd.DataFrame(records), pooled), scores


def values_of(table, factor):
    return sorted(table.loc[table["factor"] == factor, "value"].unique())


def test_the_starting_point_stands_in_every_factor_at_its_own_value():
    table, _ = draws("kindel2019_cnn_search", ONE_AT_A_TIME, n_splits=3)
    assert values_of(table, "hidden_units") == ["150", "300", "600"]
    assert values_of(table, "dropout_keep") == ["0.35", "0.65", "1"]
    assert values_of(table, "num_conv_layers") == ["2", "3"]
    start = table[table["is_start"]]
    assert set(start["factor"]) == set(ONE_AT_A_TIME)
    assert len({tuple(sorted(rows["mean_r"])) for _, rows in start.groupby("factor")}) == 1
    assert (table["n_splits"] == 3).all()


def test_a_search_over_one_factor_has_no_starting_point():
    table, _ = draws("kindel2019_lnln_search", {"hidden_units": [150, 250, 900]}, n_splits=7)
    assert not table["is_start"].any()
    assert len(table) == 21


def test_summaries_by_hand():
    table, scores = draws("kindel2019_lnln_search", {"hidden_units": [150, 250]}, n_splits=3)
    r = scores[scores["metric"] == "correlation"].assign(
        value=lambda rows: rows["value"].fillna(0.0)
    )
    of_value = r[r["seed"] % 2 == 1]  # draws 1, 3, 5 are the second point
    by_split = of_value.groupby("seed")["value"].mean()
    row = table[table["value"] == "250"].iloc[0]
    assert row["median_of_splits"] == pytest.approx(by_split.median())
    assert row["median_of_cells_and_splits"] == pytest.approx(of_value["value"].median())
    assert row["line"] == row["median_of_splits"]
    assert sorted(table.loc[table["value"] == "250", "split_seed"]) == [0, 1, 2]


def test_the_line_of_a_pooled_model_is_the_median_over_cells_and_splits():
    name = "kindel2019_gabor_search"
    table, _ = draws(name, {"alphas": [1.0, 10.0]}, n_splits=3, pooled=[name])
    assert (table["line"] == table["median_of_cells_and_splits"]).all()


def test_searches_without_scores_are_named():
    scores, records = made.search("kindel2019_lnln_search", {"hidden_units": [1, 2]}, 1, n_cells=2)
    other = scores.assign(model="kindel2019_cnn_search")
    with pytest.raises(ValueError, match="kindel2019_lnln_search"):
        draws_of(by_run_and_neuron(other), pd.DataFrame(records), [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((5e-5, "5e-5"), (3.2e5, "3.2e5"), (0.35, "0.35"), (1.0, "1"), (150, "150"), (0, "0")),
        *(([8, 16], "8, 16"), ("relu", "relu"), (True, "True"), (99999, "99999"), (1e8, "1e8")),
    ],
)
def test_values_as_they_label_an_axis(value, text):
    assert as_text(value) == text
