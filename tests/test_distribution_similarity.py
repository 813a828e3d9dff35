"""Similarity of distributions, and the scores that are made of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from v1lib.distribution_similarity import (
    Histogram,
    bootstrap_similarity,
    ceiling,
    histogram,
    ks_similarity,
)
from v1lib.files import write_csv
from v1lib.v1_properties import TEXTURE_PROPERTIES
from v1lib.v1_scores import overall_name, read_references, score_table, without_textures

DISTRIBUTIONS = Path(__file__).resolve().parents[1] / "report/v1_property_distributions.csv"

# Ceilings in Brain-Score's own tests, which allow 0.005.
CEILINGS = {
    "preferred_orientation": 0.962,
    "circular_variance": 0.959,
    "bandwidth": 0.964,
    "orthogonal_preferred_ratio": 0.962,
    "orientation_selective": 0.994,
    "circular_variance_bandwidth_ratio": 0.968,
    "orthogonal_preferred_ratio_circular_variance_difference": 0.967,
    "peak_spatial_frequency": 0.967,
    "spatial_frequency_selective": 0.963,
    "spatial_frequency_bandwidth": 0.933,
    "modulation_ratio": 0.959,
    "grating_summation_field": 0.956,
    "surround_diameter": 0.955,
    "surround_suppression_index": 0.958,
    "max_dc": 0.968,
}
# Neurons of each study, and those with a value.
NEURONS = {
    "preferred_orientation": (385, 385),
    "bandwidth": (304, 298),
    "circular_variance_bandwidth_ratio": (304, 298),
    "peak_spatial_frequency": (363, 363),
    "spatial_frequency_bandwidth": (87, 73),
    "grating_summation_field": (190, 148),
    "surround_diameter": (190, 148),
    "max_dc": (304, 304),
}
GROUPS = {
    "orientation": 7,
    "spatial_frequency": 3,
    "response_selectivity": 4,
    "receptive_field_size": 2,
    "surround_modulation": 1,
    "texture_modulation": 2,
    "response_magnitude": 3,
}


@pytest.fixture(scope="module")
def references():
    return read_references(DISTRIBUTIONS)


def sample(reference, rng, n=400):
    """Values distributed as the neurons are, missing ones among them."""
    neurons = reference.neurons
    chances = np.append(neurons.counts, neurons.n_missing) / neurons.n
    middles = np.append((reference.edges[1:] + reference.edges[:-1]) / 2, np.nan)
    return middles[rng.choice(len(chances), n, p=chances)]


def units(references, rng=None, n=400):
    rng = rng or np.random.default_rng(0)
    tables = [
        pd.DataFrame({"unit": np.arange(n), "property": r.name, "value": sample(r, rng, n)})
        for r in references
        if r.neurons is not None
    ]
    return pd.concat(tables, ignore_index=True)


# ---- similarity --------------------------------------------------------------------------------


def test_similarity_by_hand():
    reference = np.array([1, 2, 1])  # cumulative .25 .75 1; the farthest end has distance .75
    counts = np.array([[1, 2, 1], [4, 0, 0], [0, 0, 9], [2, 2, 0]])
    np.testing.assert_allclose(ks_similarity(counts, reference), [1, 0, 0, 1 - 0.25 / 0.75])
    # All neurons in the first bin: only the other end is far.
    np.testing.assert_allclose(ks_similarity(np.array([1, 1]), np.array([5, 0])), 0.5)
    assert np.isnan(ks_similarity(np.zeros(3), reference))


def test_values_beyond_the_edges_move_onto_them_and_missing_ones_are_counted_apart():
    found = histogram(np.array([-5, 0, 0.99, 1, 2, 7, np.nan]), np.array([0.0, 1.0, 2.0]))
    assert found.counts.tolist() == [3, 3]
    assert (found.n_missing, found.n) == (1, 7)


def test_histograms_of_samples_are_drawn_as_units_would_be():
    """Against the published loop: draw units with replacement, bin them, compare."""
    rng = np.random.default_rng(0)
    edges = np.linspace(0, 1, 6)
    values = np.append(rng.beta(2, 4, 35), np.full(15, np.nan))
    reference = Histogram(np.array([3, 12, 9, 4, 2]), 10)
    drawn = [
        ks_similarity(histogram(rng.choice(values, 40), edges).counts, reference.counts)
        for _ in range(4000)
    ]
    mean, sd = bootstrap_similarity(histogram(values, edges), reference, rng=rng, n_draws=20000)
    assert mean == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / np.sqrt(4000))
    assert sd == pytest.approx(np.std(drawn), rel=0.06)


def test_missing_values_leave_fewer_to_compare():
    reference = Histogram(np.array([5, 10, 5]), 0)
    full, half = (
        bootstrap_similarity(
            Histogram(np.array([50, 100, 50]), n), reference, rng=np.random.default_rng(0)
        )
        for n in (0, 600)
    )
    assert half[0] < full[0] - 0.02
    assert half[1] > full[1]


def test_too_many_draws_without_a_value_count_as_nothing_alike():
    reference = Histogram(np.array([2, 1]), 0)
    rng = np.random.default_rng(0)
    assert bootstrap_similarity(Histogram(np.array([1, 0]), 9), reference, rng=rng) == (0, 0)
    # All units without a value still are units; without any, nothing was measured.
    assert bootstrap_similarity(Histogram(np.zeros(2, int), 5), reference, rng=rng) == (0, 0)
    nothing = bootstrap_similarity(Histogram(np.zeros(2, int), 0), reference, rng=rng)
    assert np.isnan(nothing).all()
    assert bootstrap_similarity(Histogram(np.array([2, 1]), 1), reference, rng=rng)[0] > 0.4


def test_bins_must_agree():
    with pytest.raises(ValueError, match="2 bins against 3"):
        bootstrap_similarity(
            Histogram(np.ones(2, int), 0),
            Histogram(np.ones(3, int), 0),
            rng=np.random.default_rng(0),
        )


# ---- distributions of neurons ------------------------------------------------------------------


def test_ceilings_are_the_published_ones(references):
    found = {
        r.name: ceiling(r.neurons, rng=np.random.default_rng(0))[0]
        for r in references
        if r.neurons is not None
    }
    assert found == pytest.approx(CEILINGS, abs=0.005)


def test_neurons_and_bins_of_the_distributions(references):
    assert [r.name for r in references if r.neurons is None] == [
        r.name for r in references if r.name in TEXTURE_PROPERTIES
    ]
    assert pd.Series([r.group for r in references]).value_counts().to_dict() == GROUPS
    by_name = {r.name: r for r in references}
    for name, (n, with_value) in NEURONS.items():
        assert (by_name[name].neurons.n, by_name[name].neurons.counts.sum()) == (n, with_value)
    octaves = 2.0 ** np.arange(-4, 5)
    np.testing.assert_allclose(by_name["surround_diameter"].edges, octaves)
    np.testing.assert_allclose(by_name["max_dc"].edges, 10 ** (np.arange(10) / 3), rtol=1e-9)


# ---- scores ------------------------------------------------------------------------------------


def test_scores_of_units_like_the_neurons_are_high_and_named_as_partial(references):
    table = score_table(units(references), references, seed=0, n_draws=500).set_index("level")
    singles = table.loc["property"]
    assert len(singles) == 15
    assert singles["score"].between(0.9, 1.03).all()
    assert table.loc["all", "property"] == "v1_property_score_15of22"
    assert table.loc["all", ["n_properties", "of_properties"]].tolist() == [15, 22]
    groups = table.loc["group"].set_index("group")
    assert len(groups) == 6  # of the seventh, texture modulation, nothing is known
    assert groups.loc["response_selectivity", ["n_properties", "of_properties"]].tolist() == [1, 4]
    for name, rows in singles.groupby("group"):
        assert groups.loc[name, "score"] == pytest.approx(rows["score"].mean())
    assert table.loc["all", "score"] == pytest.approx(groups["score"].mean())


def test_other_units_score_low(references):
    table = units(references)
    table["value"] = 0.0
    scores = score_table(table, references, seed=0, n_draws=200)
    by_name = scores.set_index("property")["score"]
    assert by_name["bandwidth"] < 0.1
    assert by_name["spatial_frequency_selective"] == pytest.approx(0)


def test_a_model_without_units_has_no_score(references):
    none = pd.DataFrame({"unit": [], "property": [], "value": []})
    table = score_table(none, references, seed=0, n_draws=50)
    assert table["score"].isna().all() and (table["level"] == "all").sum() == 1
    singles = table[table["level"] == "property"]
    assert (singles["n_units"] == 0).all() and singles["ceiling"].notna().all()
    assert table.iloc[-1][["n_properties", "of_properties"]].tolist() == [15, 22]


def test_a_property_that_no_unit_counts_for_leaves_its_group_and_the_whole_without_a_score(
    references,
):
    table = units(references)
    table = table[table["property"] != "max_dc"]
    scores = score_table(table, references, seed=0, n_draws=50).set_index("level")
    singles, groups = (scores.loc[level] for level in ("property", "group"))
    assert singles.loc[singles["score"].isna(), "property"].tolist() == ["max_dc"]
    assert groups.loc[groups["score"].isna(), "group"].tolist() == ["response_magnitude"]
    assert np.isnan(scores.loc["all", "score"])


def test_units_without_a_value_score_zero_as_published(references):
    table = units(references)
    table.loc[table["property"] == "surround_diameter", "value"] = np.nan
    scores = score_table(table, references, seed=0, n_draws=50).set_index("property")
    assert scores.loc["surround_diameter", ["score", "n_units", "n_values"]].tolist() == [0, 400, 0]


def test_the_seed_decides_and_ceilings_are_the_same_for_all_models(references):
    rng = np.random.default_rng(1)
    first, again, other = (
        score_table(table, references, seed=seed, n_draws=100)
        for table, seed in (
            (units(references), 0),
            (units(references), 0),
            (units(references, rng), 0),
        )
    )
    pd.testing.assert_frame_equal(first, again)
    singles = first["level"] == "property"
    np.testing.assert_array_equal(first.loc[singles, "ceiling"], other.loc[singles, "ceiling"])
    assert (first.loc[singles, "raw"] != other.loc[singles, "raw"]).any()


def test_neurons_of_ones_own_complete_the_score(references, tmp_path):
    rng = np.random.default_rng(2)
    textures = pd.concat(
        pd.DataFrame({"property": name, "value": rng.uniform(0.1, 0.9, 102)})
        for name in TEXTURE_PROPERTIES
    )
    textures.iloc[3, 1] = np.nan
    write_csv(textures, tmp_path / "own.csv")
    full = read_references(DISTRIBUTIONS, tmp_path / "own.csv")
    by_name = {r.name: r for r in full}
    first = by_name[TEXTURE_PROPERTIES[0]].neurons
    assert (first.n, first.n_missing) == (102, 1)
    table = score_table(units(full), full, seed=0, n_draws=100)
    assert table.iloc[-1]["property"] == "v1_property_score"
    assert (table["level"] == "group").sum() == 7
    # A model that was not shown the textures is not judged by them.
    partial = score_table(units(full), without_textures(full), seed=0, n_draws=100)
    assert partial.iloc[-1]["property"] == "v1_property_score_15of22"


def test_names_of_overall_scores():
    assert overall_name(22) == "v1_property_score"
    assert overall_name(16) == "v1_property_score_16of22"


def test_tables_that_cannot_be_right_are_refused(tmp_path, references):
    table = pd.read_csv(DISTRIBUTIONS)
    for change, message in (
        ({"bin_right": table["bin_right"].where(table.index != 1, 60.0)}, "do not join"),
        ({"n_neurons": 100}, "counts 385 of 100 neurons"),
    ):
        write_csv(table.assign(**change), tmp_path / "wrong.csv")
        with pytest.raises(ValueError, match=message):
            read_references(tmp_path / "wrong.csv")
    write_csv(pd.DataFrame({"property": ["colour"], "value": [1.0]}), tmp_path / "own.csv")
    with pytest.raises(ValueError, match="'colour' is not in"):
        read_references(DISTRIBUTIONS, tmp_path / "own.csv")
    write_csv(pd.DataFrame({"property": ["max_noise"], "value": [np.nan]}), tmp_path / "own.csv")
    with pytest.raises(ValueError, match="no neuron has a value of max_noise"):
        read_references(DISTRIBUTIONS, tmp_path / "own.csv")
