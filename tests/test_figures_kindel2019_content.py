"""What the figures of Kindel 2019 say, on cases whose answer is known."""

import numpy as np
import pandas as pd
import pytest

import made_up_kindel2019 as made
from figures import kindel2019_k1_training as k1
from figures import kindel2019_k2_pearson_bars as k2
from figures import kindel2019_k3_example_neurons as k3
from figures import kindel2019_k4_population as k4
from figures import kindel2019_k5_activity as k5
from figures import kindel2019_k7_models as k7
from figures import kindel2019_k8_search as k8
from figures import kindel2019_k9_selected_step as k9
from figures import kindel2019_k10_preferred_images as k10
from figures import kindel2019_k11_orientation as k11
from figures import kindel2019_k12_ceiling as k12
from v1lib import plotting
from v1lib.files import read_csv, write_csv, write_json
from v1lib.score_tables import by_run_and_neuron, neuron_means

CNN = "kindel2019_cnn"


def neurons(**columns):
    """A neuron table in which only the columns given matter."""
    n = len(next(iter(columns.values())))
    plain = {"dataset": "d", "model": CNN, "session": "01", "neuron": range(n), "n_seeds": 2}
    numbers = dict.fromkeys(
        ["correlation", "correlation_live", "cc_norm_surrogate", "ceiling_surrogate"], 0.5
    )
    numbers |= {"n_undefined": 0, "n_dead": 0, "n_surrogate": 2, "loss": 1.0, "baseline_loss": 2.0}
    numbers |= {"mean_response": 0.5, "mean_rate_hz": 5.0}
    return pd.DataFrame(plain | numbers | columns | {"source_kind": "real"})


@pytest.fixture
def page_of(monkeypatch):
    """Run a step and catch the figure that it saves."""

    def run(main, **options):
        pages = []
        monkeypatch.setattr(plotting, "save_figure", lambda page, *_: pages.append(page))
        main(**options)
        return pages[0]

    return run


def training_plot(page_of, tmp_path, record):
    scores = made.scores({"01": 6}, {CNN: 0.5}, [0])
    write_csv(scores, tmp_path / "scores.csv")
    write_csv(made.history("01", [0]), tmp_path / "history.csv")
    write_json([record], tmp_path / "run.json")
    page = page_of(
        k1.main,
        histories=[tmp_path / "history.csv"],
        runs=[tmp_path / "run.json"],
        scores=tmp_path / "scores.csv",
        **{key: [tmp_path / f"out.{key}"] for key in ("figures", "pdfs", "tables")},
        session="01",
        seeds=[0],
    )
    words = "\n".join(text.get_text() for ax in page.axes for text in ax.texts)
    return page, words, by_run_and_neuron(scores)


def test_the_training_plot_has_every_element_of_the_original(page_of, tmp_path):
    (record,) = made.run_records({"01": 6}, [0], best_step=6401)
    page, words, cells = training_plot(page_of, tmp_path, record)
    left, right = page.axes[0], page.axes[2]
    baseline = cells["baseline_loss"].mean()
    assert left.get_ylim() == pytest.approx((-0.1 * baseline, 2 * baseline))
    assert right.get_ylim() == (-0.1, 1.0)
    assert [line.get_linestyle() for line in left.lines[:3]] == ["-", "--", ":"]
    assert {line.get_color() for line in left.lines[:3]} == {"red"}
    assert right.lines[0].get_color() == "black"
    stop = left.lines[3]
    assert (stop.get_xdata()[0], stop.get_linewidth()) == (6401, 2)
    axis_labels = left.get_xlabel(), left.get_ylabel(), right.get_ylabel()
    assert axis_labels == ("step", "least squared loss", "r")
    legend = [text.get_text() for text in page.axes[1].get_legend().get_texts()]
    assert legend == ["training", "early stop", "evaluation", "r (evaluation)"]
    curve = made.history("01", [0]).set_index("step").loc[6401]
    for line in (
        *("Step: 6401", f"Average r: {curve['test_correlation']:.3f}"),
        *(f"Evaluation loss: {curve['test_loss']:.4f}", "Max pool 1 stride: 2"),
        f"Evaluation variance: {cells['response_variance'].mean():.4f}",
        *("Max pool 2 kernel size: 3", "Conv 1 size: 3 × 3", "Layer 2 filters: 32"),
        *("Dropout keep rate: 0.650", "Hidden units: 300", "Learning rate: 1.0e-04"),
        "Convolution layers: 2",
    ):
        assert line in words
    table = read_csv(tmp_path / "out.tables")
    assert table.loc[table["selected"], "step"].tolist() == [6401]


def test_the_line_of_the_last_step_lies_beside_the_right_axis(page_of, tmp_path):
    (record,) = made.run_records({"01": 6}, [0], best_step=6401)
    record["training"] = record["training"] | {"max_steps": 6401}
    page, _, _ = training_plot(page_of, tmp_path, record)
    page.draw_without_rendering()
    left, stop = page.axes[0], page.axes[0].lines[3]
    place, _ = left.transData.transform((stop.get_xdata()[0], 0))
    apart = (left.get_window_extent().x1 - place) * 72 / page.dpi
    assert apart > stop.get_linewidth() / 2 + left.spines["left"].get_linewidth()


def test_a_failed_run_is_drawn_as_far_as_it_came(page_of, tmp_path):
    (record,) = made.run_records({"01": 6}, [0])
    del record["best_step"]
    record |= {"status": "failed", "reason": "loss is nan at step 7"}
    page, words, _ = training_plot(page_of, tmp_path, record)
    assert "Run failed: loss is nan" in words
    assert len(page.axes[0].lines) == 3


def test_a_selected_step_that_the_history_lacks_is_an_error(page_of, tmp_path):
    (record,) = made.run_records({"01": 6}, [0], best_step=6402)
    with pytest.raises(ValueError, match="step 6402 occurs 0 times"):
        training_plot(page_of, tmp_path, record)


def test_bars_are_numbered_from_one_and_undefined_is_zero_but_marked():
    cells = by_run_and_neuron(made.scores({"01": 4}, {CNN: 0.5}, [0]))
    cells.loc[cells["neuron"] == 2, ["correlation", "dead"]] = [np.nan, 1.0]
    bars = k2.bars_of(cells.sample(frac=1, random_state=0))
    assert bars["cell"].tolist() == [1, 2, 3, 4]
    assert bars.loc[2, ["r", "undefined", "dead"]].tolist() == [0, 1, 1]


def test_examples_come_from_a_run_that_did_not_fail_and_are_rates():
    recording, block = made.recording_and_predictions({"01": 3, "02": 2}, [4, 5])
    block.predictions[0, :, :3] = np.nan
    measured = recording.mean_over_trials()
    points = k3.example([block], measured, 1, 0.1)
    assert points["seed"].unique().tolist() == [5]
    assert len(points) == made.N_TEST
    np.testing.assert_allclose(points["measured_hz"], 10 * measured[points["image"], 1])
    expected = np.corrcoef(points["measured_hz"], points["predicted_hz"])[0, 1]
    assert points["r"].unique() == pytest.approx(expected)
    block.predictions[1, :, :3] = np.nan
    with pytest.raises(ValueError, match="no run predicts neuron 1"):
        k3.example([block], measured, 1, 0.1)


def test_examples_lie_at_their_percentiles():
    cells = neurons(correlation=np.linspace(0, 1, 101))
    assert [k3.at_percentile(cells, p)["correlation"] for p in (90, 50, 10)] == [0.9, 0.5, 0.1]


def test_histograms_count_every_defined_neuron_once():
    values = np.r_[-0.32, np.linspace(-0.2, 1.0, 98), np.nan]
    bins = k4.histogram(neurons(cc_norm_surrogate=values), "cc_norm_surrogate", 0.05)
    assert bins["n_in_bin"].sum() == 99
    assert bins["n_undefined"].unique() == [1]
    assert (bins["bin_left"].min(), bins["bin_right"].max()) == pytest.approx((-0.35, 1.0))
    assert bins["mean"].iloc[0] == pytest.approx(np.nanmean(values))


def test_groups_of_active_neurons_by_hand():
    cells = neurons(correlation=[0.1, 0.3, 0.6, 0.8], mean_rate_hz=[0.0, 5.0, 5.1, 9.0])
    curve = k5.curve(cells.assign(active=cells["mean_rate_hz"] > 5), "correlation", 41)
    groups = curve.drop_duplicates("active").set_index("active")
    assert groups["group_mean"].to_dict() == pytest.approx({False: 0.2, True: 0.7})
    assert groups["group_sem"].to_dict() == pytest.approx({False: 0.1 / 2**0.5, True: 0.1 / 2**0.5})
    assert curve["running_median"].dropna().tolist() == [0.3, 0.6]


def test_runs_that_were_still_improving_are_counted():
    records = pd.DataFrame(made.run_records({"01": 3}, [0, 1, 2]))
    records["best_step"] = [100, 45000, 45001]
    steps = k9.steps_of(records, [CNN], ["01"], 0.75)
    assert steps["late"].tolist() == [0, 0, 1]
    assert set(steps["median_step"]) == {45000}
    with pytest.raises(ValueError, match="kindel2019_ln"):
        k9.steps_of(records, [CNN, "kindel2019_ln"], ["01"], 0.75)


def test_models_say_how_many_networks_were_still_improving(page_of, tmp_path):
    models = [CNN, "kindel2019_ln", "kindel2019_ridge"]
    scores = made.scores({"01": 6}, dict.fromkeys(models, 0.5), [0])
    neurons = neuron_means(scores, response_window_s=0.106, undefined_correlation="zero")
    write_csv(neurons, tmp_path / "neurons.csv")
    records = made.run_records({"01": 6, "02": 6}, [0, 1, 2], best_step=45001)
    records[0]["best_step"] = 45000
    records += made.run_records({"01": 6}, [0], model="kindel2019_ln", best_step=100)
    steps = k9.steps_of(pd.DataFrame(records), models[:2], ["01", "02"], 0.75)
    write_csv(steps, tmp_path / "steps.csv")
    page = page_of(
        k7.main,
        neurons=tmp_path / "neurons.csv",
        steps=tmp_path / "steps.csv",
        **{key: tmp_path / f"out.{key}" for key in ("figure", "pdf", "table")},
        models=models,
        reference=CNN,
        sessions=["01"],
        bootstrap_seed=0,
    )
    labels = [label.get_text() for label in page.axes[0].get_yticklabels()]
    assert labels == ["CNN\n2 of 3 selected late", "LN", "Ridge on pixels"]
    table = read_csv(tmp_path / "out.table").set_index("model")
    assert table["n_late"].tolist()[:2] == [2, 0] and np.isnan(table["n_late"].iloc[2])


def test_preferred_images_are_written_pixel_by_pixel_best_first(page_of, tmp_path):
    arrays = made.preferred_images(3)
    arrays["mean_r"] = np.array([0.1, 0.9, 0.5])
    arrays["stability"][1] = np.nan
    np.savez(tmp_path / "images.npz", **arrays)
    page = page_of(
        k10.main,
        preferred_images=tmp_path / "images.npz",
        figure=tmp_path / "a.png",
        pdf=tmp_path / "a.pdf",
        table=tmp_path / "a.csv",
        model=CNN,
        n_neurons=2,
    )
    table = read_csv(tmp_path / "a.csv")
    assert table["neuron"].unique().tolist() == [64, 65]
    assert len(table) == 2 * 2 * 33 * 33
    pixel = table.query("neuron == 65 and kind == 'control' and row == 16 and column == 17")
    assert pixel["grey_value"].item() == pytest.approx(arrays["control"][2, 16, 17])
    assert "one split" in page.axes[0].get_title("left")


def test_selective_neurons_begin_at_the_limit_and_both_tables_must_match():
    cells = neurons(correlation=[0.2, 0.4, 0.6])
    index = pd.DataFrame({"session": "01", "neuron": range(3), "source_kind": "real"})
    index["orientation_selectivity"] = [0.29, 0.3, np.nan]
    groups = k11.groups_of(cells, index, "correlation", 0.3)
    assert groups["selective"].tolist() == [0, 1]
    with pytest.raises(ValueError, match="no neuron has both"):
        k11.groups_of(cells, index.assign(neuron=[7, 8, 9]), "correlation", 0.3)


def test_neurons_near_their_ceiling_are_counted_among_the_defined_ones(page_of, tmp_path):
    values = [0.95, 0.9, 0.89, 0.1, np.nan]
    write_csv(neurons(cc_norm_surrogate=values), tmp_path / "neurons.csv")
    page = page_of(
        k12.main,
        neurons=tmp_path / "neurons.csv",
        figure=tmp_path / "a.png",
        pdf=tmp_path / "a.pdf",
        table=tmp_path / "a.csv",
        model=CNN,
        sessions=["01"],
        near_ceiling=0.9,
    )
    assert read_csv(tmp_path / "a.csv")["near"].sum() == 2
    assert "ceiling undefined for 1\n50 % of the neurons" in page.axes[1].get_title("left")


def test_a_figure_refuses_to_mix_real_and_simulated_data(tmp_path):
    mixed = neurons(correlation=[0.1, 0.2])
    mixed.loc[1, "source_kind"] = "simulated"
    write_csv(mixed, tmp_path / "neurons.csv")
    with pytest.raises(ValueError, match=r"\['real', 'simulated'\]"):
        k4.main(
            neurons=tmp_path / "neurons.csv",
            figure=tmp_path / "a.png",
            pdf=tmp_path / "a.pdf",
            table=tmp_path / "a.csv",
            model=CNN,
            sessions=["01"],
            bin_width=0.05,
        )
    assert not (tmp_path / "a.png").exists()


def test_every_point_and_line_of_the_search_lies_within_its_panel(page_of, tmp_path):
    """The line of a pooled model may lie far from the means of its splits."""
    name = "kindel2019_gabor_search"
    scores, records = made.search(name, {"alphas": [1.0, 10.0, 100.0]}, 2, n_cells=9)
    skewed = scores["metric"].eq("correlation") & scores["neuron"].lt(5)
    scores.loc[skewed, "value"] = -0.1  # the median over cells is now far below their mean
    write_csv(scores, tmp_path / "scores.csv")
    write_json(records, tmp_path / "run.json")
    page = page_of(
        k8.main,
        scores=[tmp_path / "scores.csv"],
        runs=[tmp_path / "run.json"],
        figure=tmp_path / "a.png",
        pdf=tmp_path / "a.pdf",
        table=tmp_path / "a.csv",
        models=[name],
        factor_labels={},
        pooled_models=[name],
    )
    (ax,) = page.axes
    low, high = ax.get_ylim()
    drawn = [*ax.lines[0].get_ydata(), *ax.collections[0].get_offsets()[:, 1]]
    assert low < min(drawn) < max(drawn) < high
    assert ax.lines[0].get_ydata() == pytest.approx([-0.1] * 3)
    lines = ax.get_title(loc="left").split("\n")
    assert lines[0].startswith("Gabor") and lines[-1] == "dots mean, line median"
