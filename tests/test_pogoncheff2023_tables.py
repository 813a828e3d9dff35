"""Results of Pogoncheff 2023 by run, and their means: equal to what is computed by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import made_up_v1_scores as made
from v1lib.pogoncheff2023_grid import difference, effects, pairs, roles_of, ticks
from v1lib.pogoncheff2023_tables import (
    FAMILIES,
    GROUPS,
    OVERALL,
    PREDICTIVITY,
    PREDICTIVITY_2026,
    PROPERTIES,
    SIMULATED_NEURONS,
    UNITS,
    ZEROS,
    accuracies_of_training,
    alignment_of,
    alignments,
    curves_of_training,
    network_kind,
    over_seeds,
    read_accuracies,
    robustness,
    severities,
)

BASE, POLAR = "pogoncheff2023_resnet50", "pogoncheff2023_cortical_magnification"
FALLS = dict(zip(FAMILIES, (0.1, 0.2, 0.3, 0.4), strict=True))


def aligned(folder, levels, *, predicted=None, neurons="real", **more):
    scores = [made.scores(model, values, **more) for model, values in levels.items()]
    predicted = predicted or {}
    tables = [made.predictivity(model, v, kind=neurons) for model, v in predicted.items()]
    return alignments(made.written(folder, "s", scores), made.written(folder, "p", tables))


def values_of(table, model, quantity):
    rows = table[(table["model"] == model) & (table["quantity"] == quantity)]
    return rows.sort_values("seed")["value"].tolist()


def test_means_and_errors_over_seeds_are_those_of_a_calculator(tmp_path):
    values = aligned(tmp_path, {BASE: [0.5, 0.6, 0.7], POLAR: [0.8]})
    found = over_seeds(values, {"a": BASE, "b": POLAR}).set_index(["label", "quantity"])
    row = found.loc[("a", PROPERTIES)]
    assert row["mean"] == pytest.approx(0.6)
    assert row["se"] == pytest.approx(0.1 / math.sqrt(3))
    assert (row["n_seeds"], row["n_parts"], row["of_parts"]) == (3, 15, 22)
    single = found.loc[("b", PROPERTIES)]
    assert single["mean"] == pytest.approx(0.8) and np.isnan(single["se"])
    assert found.loc[("a", UNITS), "mean"] == 101
    groups = [name for name in GROUPS if name != "texture_modulation"]
    assert set(found.loc["a"].index) == {PROPERTIES, UNITS, ZEROS, *groups}
    assert found.loc[("a", ZEROS), "mean"] == 0
    assert found.loc[("a", "response_selectivity"), ["n_parts", "of_parts"]].tolist() == [1, 4]


def test_the_overall_score_is_the_mean_of_both_and_needs_recorded_neurons(tmp_path):
    levels, predicted = {BASE: [0.5, 0.7]}, {BASE: [0.1, 0.2]}
    recorded = aligned(tmp_path, levels, predicted=predicted)
    assert values_of(recorded, BASE, OVERALL) == pytest.approx([0.3, 0.45])
    assert alignment_of(recorded) == OVERALL
    made_up = aligned(tmp_path, levels, predicted=predicted, neurons="simulated")
    assert values_of(made_up, BASE, OVERALL) == []
    assert alignment_of(made_up) == PROPERTIES
    assert values_of(recorded, BASE, PREDICTIVITY_2026) == pytest.approx([0.09, 0.18])
    rows = made_up[made_up["quantity"] == PREDICTIVITY]
    assert rows["value"].tolist() == [0.1, 0.2] and set(rows["source_kind"]) == {"simulated"}
    assert rows["neurons"].str.endswith(SIMULATED_NEURONS).all()
    assert network_kind(made_up) == "real"
    drawn = aligned(tmp_path, levels, predicted=predicted, kind="simulated")
    assert set(drawn["source_kind"]) == {"simulated"}


def test_networks_are_judged_by_the_property_score_if_one_was_not_predicted(tmp_path):
    levels = {BASE: [0.5, 0.7], POLAR: [0.6]}
    assert alignment_of(aligned(tmp_path, levels, predicted={BASE: [0.1, 0.2]})) == PROPERTIES


def test_runs_without_units_are_in_no_mean_and_leave_the_overall_score_to_the_others(tmp_path):
    levels = {BASE: [0.5, np.nan, 0.7], POLAR: [np.nan]}
    values = aligned(tmp_path, levels, predicted={BASE: [0.3, 0.3, 0.3], POLAR: [0.3]})
    assert alignment_of(values) == OVERALL
    found = over_seeds(values, {"a": BASE, "b": POLAR}).set_index(["label", "quantity"])
    assert found.loc[("a", PROPERTIES), ["mean", "n_seeds"]].tolist() == pytest.approx([0.6, 2])
    assert found.loc[("a", OVERALL), ["mean", "n_seeds"]].tolist() == pytest.approx([0.45, 2])
    assert found.loc[("a", UNITS), "n_seeds"] == 3
    assert np.isnan(found.loc[("b", PROPERTIES), "mean"])
    assert found.loc[("b", PROPERTIES), ["n_seeds", "n_parts"]].tolist() == [0, 15]
    # One that has a property score and was not predicted is judged by what all have.
    values = aligned(tmp_path, levels, predicted={POLAR: [0.3]})
    assert alignment_of(values) == PROPERTIES


def test_scores_that_are_there_twice_or_missing_are_errors(tmp_path):
    path = made.written(tmp_path, "s", [made.scores(BASE, [0.5])])
    with pytest.raises(ValueError, match=f"orientation of model '{BASE}', seed 0, is there twice"):
        alignments([*path, *path], [])
    with pytest.raises(ValueError, match="no values of model 'other'"):
        over_seeds(alignments(path, []), {"b": "other"})
    mixed = [made.scores(BASE, [0.5]), made.scores(POLAR, [0.5], kind="simulated")]
    with pytest.raises(ValueError, match="of kinds \\['real', 'simulated'\\]"):
        network_kind(alignments(made.written(tmp_path, "m", mixed), []))


def test_accuracies_are_averaged_over_severities_corruptions_and_cells(tmp_path):
    paths = made.written(tmp_path, "a", [made.accuracies(BASE, [0.5, 0.6], falls=FALLS)])
    cells = read_accuracies(paths)
    found = robustness(cells)
    left = {name: np.mean([(1 - fall) ** s for s in range(1, 6)]) for name, fall in FALLS.items()}
    assert values_of(found, BASE, "clean") == [0.5, 0.6]
    for family, corruptions in FAMILIES.items():
        assert values_of(found, BASE, family) == pytest.approx(
            [0.5 * left[family], 0.6 * left[family]]
        )
        assert values_of(found, BASE, corruptions[-1]) == pytest.approx(
            [0.5 * left[family], 0.6 * left[family]]
        )
    overall = sum(left[name] * len(FAMILIES[name]) for name in FAMILIES) / 15
    assert values_of(found, BASE, "corrupted") == pytest.approx([0.5 * overall, 0.6 * overall])
    assert values_of(found, BASE, "relative") == pytest.approx([overall, overall])
    curve = severities(cells).query("quantity == 'blur' and seed == 1").sort_values("severity")
    assert curve["severity"].tolist() == [0, 1, 2, 3, 4, 5]
    assert curve["value"].tolist() == pytest.approx([0.6 * 0.8**s for s in range(6)])


def test_a_network_that_was_evaluated_twice_is_an_error(tmp_path):
    table = made.accuracies(BASE, [0.5], falls=FALLS)
    paths = made.written(tmp_path, "a", [table, table.assign(evaluated_on="others")])
    with pytest.raises(ValueError, match="two accuracies for 'clean', severity 0"):
        read_accuracies(paths)
    unknown = made.written(tmp_path, "u", [table.replace({"corruption": {"fog": "smog"}})])
    with pytest.raises(ValueError, match="corruption 'smog' is in no family"):
        robustness(read_accuracies(unknown))


def test_of_equal_accuracies_the_latest_epoch_is_the_best(tmp_path):
    curves = [[0.05, 0.3, 0.4, 0.4, 0.35], [0.05, 0.2, 0.3, 0.4, 0.5]]
    paths = made.written(tmp_path, "h", [made.history(BASE, curves)])
    drawn = curves_of_training(paths)
    assert drawn.query("seed == 0")["epoch"].tolist() == [0, 1, 2, 3, 4]
    found = accuracies_of_training(drawn)
    expected = {
        "before": [0.05, 0.05],
        "best": [0.4, 0.5],
        "last": [0.35, 0.5],
        "best_epoch": [3, 4],
        "epochs": [4, 4],
    }
    assert {name: values_of(found, BASE, name) for name in expected} == expected
    worse = made.written(tmp_path, "w", [made.history(BASE, [[0.3, 0.1, 0.2]])])
    found = accuracies_of_training(curves_of_training(worse))
    kept = [values_of(found, BASE, name) for name in ("best", "best_epoch", "last")]
    assert kept == [[0.3], [0], [0.2]]


def test_components_are_read_off_the_settings():
    table = pd.DataFrame({label: ticks(params) for label, params in made.NETWORKS.items()}).T
    assert table.loc["ResNet-50"].tolist() == ["", "", "", ""]
    assert table.loc["composite A"].tolist() == ["yes (2 blocks)", "yes", "tuned", "yes"]
    assert table.loc["center-surround", "center_surround"] == "yes (3 blocks)"
    antagonistic = table.loc["center-surround, antagonistic", "center_surround"]
    assert antagonistic == "yes (antagonistic, 3 blocks)"
    assert table.loc["local receptive fields", "local_fields"] == "yes (with dropout)"
    assert table.loc["divisive normalization, untuned", "normalization"] == "untuned"


def test_pairs_isolate_one_component():
    found = {(pair.larger[-1], pair.smaller[-1]) for pair in pairs(made.NETWORKS)}
    letters = {pair for pair in found if set("".join(pair)) <= set("ABCDEFG")}
    assert letters == {tuple(pair) for pair in ("AB", "CF", "DG", "BE", "AC", "BF", "AD", "BG")}
    notes = {(pair.larger, pair.smaller): pair.note for pair in pairs(made.NETWORKS)}
    assert notes["composite A", "composite B"] == ""
    not_nested = notes["composite F", "local receptive fields"]
    assert not_nested == "not nested: other settings of local RF"
    assert len(notes) == len(letters) + 12


def test_effects_are_differences_with_the_interval_of_welch(tmp_path):
    models = {"ResNet-50": BASE, "cortical magnification": POLAR}
    networks = {label: made.NETWORKS[label] for label in models}
    values = aligned(tmp_path, {BASE: [0.50, 0.52, 0.54], POLAR: [0.60, 0.66, 0.72]})
    (row,) = effects(values, models, networks, quantity=PROPERTIES).to_dict("records")
    assert (row["component"], row["with_label"]) == ("magnification", "cortical magnification")
    assert row["difference"] == pytest.approx(0.14)
    # variances 0.0004 and 0.0036 of three seeds each, by Welch and Satterthwaite
    error, freedom = math.sqrt(0.004 / 3), 2 * 0.004**2 / (0.0004**2 + 0.0036**2)
    quantile = stats.t.ppf(0.975, freedom)
    assert row["high"] - row["difference"] == pytest.approx(quantile * error, rel=1e-6)
    assert row["difference"] - row["low"] == pytest.approx(quantile * error, rel=1e-6)
    one = difference(values[values["model"] == POLAR].head(1), values.head(3))
    assert math.isnan(one.interval.low)


def test_roles_do_without_networks_that_are_not_trained():
    some = {name: made.NETWORKS[name] for name in ("ResNet-50", "composite B", "composite E")}
    roles = roles_of(some)
    assert (roles.baseline, roles.single, roles.full) == ("ResNet-50", {}, "")
    every = roles_of(made.NETWORKS)
    assert every.full == "composite A"
    assert every.single == {
        "center_surround": "center-surround",
        "local_fields": "local receptive fields",
        "normalization": "divisive normalization, tuned",
        "magnification": "cortical magnification",
    }
    with pytest.raises(ValueError, match="every network has a component"):
        roles_of({"composite A": made.NETWORKS["composite A"]})
