"""Scores averaged over seeds and neurons, on cases worked out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import made_up_kindel2019 as made
from v1lib.files import write_csv
from v1lib.model_comparison import compare_models
from v1lib.score_files import read_runs, read_scores, source_kind_of
from v1lib.score_tables import (
    NEURON_COLUMNS,
    by_run_and_neuron,
    choose,
    neuron_means,
    population_summary,
)

PUBLISHED = Path(__file__).resolve().parents[1] / "report" / "published_values.csv"
METRICS = {
    **{"loss": 0.5, "baseline_loss": 1.0, "response_variance": 1.0, "mean_response": 0.53},
    **{"dead": 0.0, "cc_norm_surrogate": 0.6, "ceiling_surrogate": 0.9, "correlation": 0.4},
}


def score_rows(values, *, seed=0, neuron=0, model="kindel2019_cnn", source_kind="real"):
    identity = {"dataset": "d", "model": model, "seed": seed, "session": "01", "neuron": neuron}
    return pd.DataFrame(
        [
            identity | {"split": "test", "metric": name, "value": value, "source_kind": source_kind}
            for name, value in (METRICS | values).items()
        ]
    )


def means(*rows, undefined="zero"):
    table = pd.concat(rows)
    return neuron_means(table, response_window_s=0.106, undefined_correlation=undefined)


def test_means_over_seeds_by_hand():
    living = score_rows({"correlation": 0.6, "cc_norm_surrogate": 0.8, "loss": 0.3}, seed=0)
    dead = score_rows(
        {"correlation": np.nan, "dead": 1.0, "cc_norm_surrogate": np.nan, "loss": 0.9}, seed=1
    )
    (row,) = means(living, dead).to_dict("records")
    assert row["correlation"] == pytest.approx(0.3)
    assert row["correlation_live"] == pytest.approx(0.6)
    assert row["cc_norm_surrogate"] == pytest.approx(0.8)
    assert row["loss"] == pytest.approx(0.6)
    assert row["mean_rate_hz"] == pytest.approx(5.0)
    assert (row["n_seeds"], row["n_undefined"], row["n_dead"], row["n_surrogate"]) == (2, 1, 1, 1)


def test_an_undefined_correlation_can_be_left_out_instead():
    rows = score_rows({"correlation": 0.6}), score_rows({"correlation": np.nan}, seed=1)
    assert means(*rows, undefined="skip")["correlation"].item() == pytest.approx(0.6)
    assert means(*rows, undefined="zero")["correlation"].item() == pytest.approx(0.3)


def test_a_neuron_that_is_dead_in_every_seed_counts_zero_and_has_no_live_correlation():
    row = means(score_rows({"correlation": np.nan, "dead": 1.0})).iloc[0]
    assert row["correlation"] == 0
    assert np.isnan(row["correlation_live"])


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="undefined_correlation is 'nan'"):
        means(score_rows({}), undefined="nan")
    with pytest.raises(ValueError, match="response_window_s is 0"):
        neuron_means(score_rows({}), response_window_s=0, undefined_correlation="zero")


def test_a_missing_metric_is_named():
    rows = score_rows({})
    with pytest.raises(ValueError, match=r"no metric \['dead'\]"):
        by_run_and_neuron(rows[rows["metric"] != "dead"])


def test_the_table_has_its_columns_for_every_model_and_neuron():
    cells = {"01": 3, "02": 2}
    table = made.scores(cells, {"kindel2019_cnn": 0.5, "kindel2019_ln": 0.2}, [0, 1])
    result = neuron_means(table, response_window_s=0.1, undefined_correlation="zero")
    assert tuple(result.columns) == NEURON_COLUMNS
    assert len(result) == 10
    assert (result["n_seeds"] == 2).all()


def test_a_run_without_scores_lowers_the_number_of_seeds():
    both = [score_rows({}, seed=seed, neuron=neuron) for seed in (0, 1) for neuron in (0, 1)]
    assert means(*both[:3])["n_seeds"].tolist() == [2, 1]


def test_the_summary_gives_what_the_recorded_run_of_the_authors_gave():
    """r of 34 cells of session 03 and the numbers that the original printed for them."""
    published = pd.read_csv(PUBLISHED).set_index("id")["value"]
    r = published[[f"kindel2019.recorded_run.r_cell{cell:02d}" for cell in range(1, 35)]]
    dead = r == 0
    neurons = means(
        *(
            score_rows({"correlation": value, "dead": float(value == 0)}, neuron=cell)
            for cell, value in enumerate(r)
        )
    )
    summary = population_summary(neurons)
    recorded = "kindel2019.recorded_run."
    assert summary["mean_r"] == pytest.approx(
        published[f"{recorded}mean_pearson_r_at_selected_step"], abs=5e-5
    )
    assert summary["sem_r"] == pytest.approx(0.0476, abs=5e-5)
    assert summary["median_r"] == pytest.approx(published[f"{recorded}median_pearson_r"], abs=1e-4)
    assert summary["mean_r_live"] == pytest.approx(
        published[f"{recorded}mean_pearson_r_over_live_cells"], abs=5e-5
    )
    assert summary["dead_outputs"] == dead.sum() == 4
    assert (summary["n_neurons"], summary["n_live"]) == (34, 30)


def test_explained_variance_is_over_all_cells_together():
    rows = (
        score_rows({"loss": 0.9, "baseline_loss": 1.0}),
        score_rows({"loss": 1.0, "baseline_loss": 4.0}, neuron=1),
    )
    assert population_summary(means(*rows))["fve"] == pytest.approx(1 - 1.9 / 5.0)


def test_real_and_simulated_rows_are_never_one_result():
    rows = score_rows({}), score_rows({}, neuron=1, source_kind="simulated")
    with pytest.raises(ValueError, match=r"\['real', 'simulated'\]"):
        source_kind_of(means(*rows))


def test_a_score_that_appears_twice_is_an_error(tmp_path):
    write_csv(score_rows({}), tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"8 scores appear twice.*a\.csv"):
        read_scores([tmp_path / "a.csv", tmp_path / "a.csv"])


def test_a_file_without_a_column_is_named(tmp_path):
    write_csv(score_rows({}).drop(columns="seed"), tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"a\.csv has no column 'seed'"):
        read_scores([tmp_path / "a.csv"])


def test_a_missing_model_or_session_is_named():
    neurons = means(score_rows({}))
    with pytest.raises(ValueError, match=r"model 'other'.*kindel2019_cnn"):
        choose(neurons, "other", ["01"])
    with pytest.raises(ValueError, match=r"\['07'\]"):
        choose(neurons, "kindel2019_cnn", ["01", "07"])


def two_models(shift):
    rng = np.random.default_rng(0)
    base = rng.uniform(0.2, 0.6, 40)
    rows = [
        score_rows({"correlation": value + add + noise}, neuron=neuron, model=model)
        for model, add in (("kindel2019_cnn", 0.0), ("kindel2019_ln", shift))
        for neuron, (value, noise) in enumerate(zip(base, rng.normal(0, 0.05, 40), strict=True))
    ]
    return means(*rows)


def comparison(neurons):
    models = ["kindel2019_cnn", "kindel2019_ln"]
    table = compare_models(neurons, models, reference=models[0], sessions=["01"], bootstrap_seed=0)
    return table.set_index("model").loc[models[1]]


def test_a_planted_difference_between_models_is_found():
    row = comparison(two_models(-0.1))
    assert row["difference_low"] < -0.1 < row["difference_high"] < 0
    assert row["p_holm"] < 1e-4
    assert row["n_pairs"] == 40


def test_equal_models_do_not_differ():
    """Negative control: only noise."""
    row = comparison(two_models(0.0))
    assert row["difference_low"] < 0 < row["difference_high"]
    assert row["p_holm"] > 0.05


def test_the_reference_alone_has_nothing_to_be_compared_with():
    table = compare_models(
        two_models(0.0),
        ["kindel2019_cnn"],
        reference="kindel2019_cnn",
        sessions=["01"],
        bootstrap_seed=0,
    )
    assert table[["mean_difference", "n_pairs", "p", "p_holm"]].isna().all(axis=None)
    assert table["n_neurons"].item() == 40


def test_models_over_different_neurons_are_not_compared():
    neurons = two_models(0.1)
    with pytest.raises(ValueError, match="'kindel2019_ln' has other neurons"):
        comparison(neurons.drop(neurons[neurons["model"] == "kindel2019_ln"].index[-1]))


def test_runs_that_failed_are_left_out_and_if_none_is_left_their_reasons_are_given(tmp_path):
    records = made.run_records({"01": 3}, [0, 1])
    records[0] |= {"status": "failed", "reason": "loss is not finite"}
    made.write_records(records, tmp_path / "run.json")
    assert read_runs([tmp_path / "run.json"])["seed"].tolist() == [1]
    made.write_records(records[:1], tmp_path / "run.json")
    with pytest.raises(ValueError, match="loss is not finite"):
        read_runs([tmp_path / "run.json"])
