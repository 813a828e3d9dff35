"""Curves of Lurz 2021: what counts, their means, and the effects read off them."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import made_up_populations as made
from configured_models import SETTINGS
from v1lib.files import write_csv, write_json
from v1lib.lurz2021_curves import (
    at_images_of_core,
    by_replicate,
    curves,
    read_scored_runs,
    reduced,
)
from v1lib.lurz2021_drawing import CurveLook, looks_of
from v1lib.lurz2021_effects import core_over_readout, data_efficiency, gain_percent, images_needed
from v1lib.lurz2021_published import (
    point_id,
    points_beside,
    published_curve,
    published_points,
    slug,
)
from v1lib.lurz2021_transfer import core_limits, transfer_curves
from v1lib.statistics import bootstrap_interval

PUBLISHED = Path(__file__).resolve().parents[1] / "report" / "published_values.csv"
# Two replicates of two initialisations; validation prefers the second and the first.
SCORES = {(50, 10): [[0.1, 0.3], [0.2, 0.4]], (200, 10): [[0.5, 0.5], [0.7, 0.6]]}
CHOSEN_BY = {(50, 10): [[0.1, 0.2], [0.3, 0.2]], (200, 10): [[0.2, 0.1], [0.1, 0.2]]}


@pytest.fixture
def read(tmp_path):
    def runs_of(*tables, score="fraction_oracle"):
        paths = [tmp_path / f"{number}.csv" for number in range(len(tables))]
        for table, path in zip(tables, paths, strict=True):
            write_csv(table, path)
        return read_scored_runs(paths, score)

    return runs_of


def table(scores=None, **more):
    return made.population("lurz2021_direct", scores or SCORES, **more)


def test_the_best_initialisation_is_chosen_by_validation_not_by_test(read):
    runs = read(table(validation=CHOSEN_BY, n_scans=4))
    best = reduced(runs, "best").set_index(["images", "replicate"])["value"]
    assert best.to_dict() == {(50, 0): 0.3, (50, 1): 0.2, (200, 0): 0.5, (200, 1): 0.6}
    assert len(reduced(runs, "all")) == 8
    assert runs["total_images"].tolist() == (4 * runs["images"]).tolist()
    with pytest.raises(ValueError, match="reduction is 'worst'"):
        reduced(runs, "worst")


def test_points_are_means_with_bootstrap_intervals_of_what_counts(read):
    runs = read(table(validation=CHOSEN_BY, n_scans=4))
    found = curves(runs, {"a": "lurz2021_direct", "b": "lurz2021_direct"}, seed=3, unreduced=["a"])
    assert found["label"].tolist() == ["a", "a", "b", "b"]
    assert found["images"].tolist() == [50, 200] * 2
    assert found["mean"].tolist() == pytest.approx([0.25, 0.575, 0.25, 0.55])
    assert found["n"].tolist() == [4, 4, 2, 2] and set(found["n_replicates"]) == {2}
    expected = bootstrap_interval([0.1, 0.3, 0.2, 0.4], seed=3)
    assert found.loc[0, ["low", "high"]].tolist() == [expected.low, expected.high]
    assert found["reduction"].tolist() == ["all", "all", "best", "best"]


def test_a_single_run_has_no_interval_and_a_missing_model_no_curve(read):
    runs = read(table({(50, 10): [[0.4]]}))
    found = curves(runs, {"here": "lurz2021_direct", "not here": "lurz2021_vgg16"}, seed=0)
    assert found["label"].tolist() == ["here"]
    assert found["mean"].item() == 0.4 and found[["low", "high"]].isna().all(axis=None)


def test_runs_without_a_score_are_left_out_and_mistakes_named(read):
    broken = table()
    broken.loc[(broken["seed"] == 0) & (broken["split"] == "test"), "value"] = math.nan
    assert len(read(broken)) == 7
    with pytest.raises(ValueError, match="a run appears twice"):
        read(table(), table())
    with pytest.raises(ValueError, match="'lurz2021_direct' has no feve of the test images"):
        read(table(), score="feve")
    assert read(table(), score="fev")["value"].iloc[0] == pytest.approx(0.05)


def test_scores_by_replicate_are_those_of_most_neurons(read):
    runs = read(table(SCORES | {(50, 5): [[0.9]]}, n_scans=2))
    found = by_replicate(runs, "lurz2021_direct", "all")
    assert found.columns.tolist() == [100, 400]
    np.testing.assert_allclose(found, [[0.2, 0.5], [0.3, 0.65]])


def test_diff_core_is_drawn_at_the_images_of_its_core(read, tmp_path):
    runs = read(
        made.population("moved", {(400, 10): [[0.1], [0.2], [0.3]]}, n_scans=4),
        made.population("stays", {(400, 10): [[0.5]]}, n_scans=4),
    )
    dataset = runs["dataset"].iloc[0]
    records = [
        {"dataset": dataset, "model": "moved", "seed": seed, "draw": {"images": images}}
        for seed, images in enumerate([50, 200, None])
    ]
    write_json(records, tmp_path / "run.json")
    found = at_images_of_core(runs, [tmp_path / "run.json"])
    assert found["images"].tolist() == [50, 200, 400, 400]
    assert found["total_images"].tolist() == [200, 800, 1600, 1600]
    write_json(records[:1], tmp_path / "run.json")
    with pytest.raises(ValueError, match=r"run .*'seed': 1.* is in none of the records"):
        at_images_of_core(runs, [tmp_path / "run.json"])


def test_images_needed_are_interpolated_on_either_scale():
    """The published curves of 11-S and direct training: reference section 1.1, claim C4."""
    images = np.array([50, 200, 500, 1000, 2500, 4472])
    transferred = np.array([[0.233, 0.402, 0.591, 0.680, 0.784, 0.838]])
    target = np.array([0.748])
    assert images_needed(images, transferred, target, scale="linear") == pytest.approx(
        1000 + 1500 * (0.748 - 0.680) / (0.784 - 0.680)
    )
    assert images_needed(images, transferred, target, scale="log") == pytest.approx(1820, abs=1)
    assert images_needed(images, transferred, np.array([0.1]), scale="log") == pytest.approx(50)
    assert images_needed(images, transferred, np.array([0.9]), scale="linear") == math.inf
    with pytest.raises(ValueError, match="scale is 'sqrt'"):
        images_needed(images, transferred, target, scale="sqrt")


def replicates(values, columns):
    return pd.DataFrame(values, columns=columns)


def test_data_efficiency_has_the_interval_of_its_replicates():
    direct = replicates([[0.2, 0.5], [0.2, 0.6]], [100, 400])
    transferred = replicates([[0.4, 0.8], [0.4, 0.8]], [100, 400])
    found = data_efficiency(transferred, direct, scale="linear", seed=0)
    assert found.value == pytest.approx(100 * (100 + 300 * 0.15 / 0.4) / 400)
    # Both ends are reached by drawing one replicate twice.
    assert found.interval.low == pytest.approx(100 * (100 + 300 * 0.1 / 0.4) / 400)
    assert found.interval.high == pytest.approx(100 * (100 + 300 * 0.2 / 0.4) / 400)
    assert found.n == 2


def test_a_curve_that_never_gets_there_needs_more_than_all_images():
    """Negative control: a transferred core that is worse."""
    direct = replicates([[0.2, 0.7], [0.2, 0.6]], [100, 400])
    worse = replicates([[0.1, 0.3], [0.1, 0.4]], [100, 400])
    found = data_efficiency(worse, direct, scale="log", seed=0)
    assert (found.value, found.interval.low, found.interval.high) == (math.inf,) * 3
    nothing = data_efficiency(worse.iloc[:0], direct, scale="log", seed=0)
    assert math.isnan(nothing.value) and nothing.n == 0


def test_gains_pair_the_replicates():
    first, second = pd.Series([0.6, 0.8, 0.9]), pd.Series([0.5, 0.7])
    found = gain_percent(first, second, seed=0)
    assert found.value == pytest.approx(100 * (0.7 / 0.6 - 1)) and found.n == 2
    assert found.interval.low == pytest.approx(100 * (0.8 / 0.7 - 1))
    assert found.interval.high == pytest.approx(100 * (0.6 / 0.5 - 1))
    single = gain_percent(first[:1], second, seed=0)
    assert single.value == pytest.approx(20) and math.isnan(single.interval.low)


def test_core_over_readout_leaves_out_where_both_are_one_experiment():
    best = replicates([[0.3, 0.6, 0.9], [0.3, 0.7, 0.9]], [200, 800, 1600])
    diff = replicates([[0.4, 0.5, 0.2], [0.4, 0.4, 0.2]], [200, 800, 1600])
    assert core_over_readout(best, diff).tolist() == pytest.approx([0.0, 0.1])
    assert core_over_readout(best[[1600]], diff).empty


def test_transfer_curves_name_panel_and_condition(read):
    models = {
        "gaussian": {"direct": "g_direct", "best_core": "g_best", "diff_core": "g_diff"},
        "factorised": {"best_core": "f_best"},
    }
    scores = {(50, 10): [[0.1], [0.2]], (200, 10): [[0.3], [0.4]]}
    more = {(50, 10): [[0.2], [0.4]], (200, 10): [[0.3], [0.4]]}
    runs = read(
        *(made.population(name, scores) for name in ("g_direct", "g_diff", "f_best")),
        made.population("g_best", more),
    )
    found = transfer_curves(runs, models, seed=0)
    drawn = found.drop_duplicates(["panel", "condition"])[["panel", "condition", "label"]]
    assert drawn.to_numpy().tolist() == [
        ["factorised", "best_core", "best-core/diff-readout"],
        ["gaussian", "direct", "direct training"],
        ["gaussian", "diff_core", "diff-core/best-readout"],
        ["gaussian", "best_core", "best-core/diff-readout"],
    ]
    assert core_limits(runs, models["gaussian"]).tolist() == pytest.approx([0.1, 0.2])
    assert core_limits(runs, models["factorised"]).empty


def test_every_curve_of_the_configuration_has_the_look_and_the_name_of_the_papers():
    paper = SETTINGS["papers"]["lurz2021"]
    assert paper["fig5"]["animals"] == made.FIG5
    looks = looks_of(list(made.FIG5))
    assert (looks["random core, wide"], looks["random core, narrow"]) == (
        CurveLook("black", "--"),
        CurveLook("black"),
    )
    published = set(published_points(PUBLISHED, "fig5")["curve"])
    drawn = {published_curve(label) for label in paper["fig5"]["public"] if "proxy" not in label}
    assert drawn < published
    # a narrower core in an overlay makes no label wrong
    assert not [label for label in made.FIG5 if label.endswith(("64", "128"))]


def test_published_points_are_found_by_label():
    assert slug("11-S: no cortex") == "11_s_no_cortex"
    name = "random core, narrow"
    assert point_id("fig5", name, 200) == "lurz2021.fig5.random_core_64.images_200"
    points = published_points(PUBLISHED, "fig5")
    sizes = {published_curve(label): 6 for label in made.FIG5}
    assert points.groupby("curve").size().to_dict() == sizes
    random = pd.DataFrame({"label": [name], "neurons": [147]})
    beside = points_beside(PUBLISHED, "fig5", random).set_index("total_images")
    assert set(beside["label"]) == {name} and beside.loc[4472, "value"] == 0.384
    row = points[(points["curve"] == "11_s") & (points["total_images"] == 4472)]
    assert row["value"].item() == 0.838
    drawn = pd.DataFrame({"label": ["Gaussian w/ f-s", "new"], "neurons": [500, 500]})
    beside = points_beside(PUBLISHED, "fig3", drawn)
    assert set(beside["label"]) == {"Gaussian w/ f-s"} and set(beside["neurons"]) == {500}
    assert sorted(beside["total_images"]) == [200, 800, 2000, 4000, 10000, 17596]


def test_every_published_curve_of_the_paper_is_on_file():
    counts = {
        figure: len(published_points(PUBLISHED, figure))
        for figure in ("fig3", "fig4a", "fig4b", "fig5", "ablation")
    }
    assert counts == {"fig3": 44, "fig4a": 18, "fig4b": 18, "fig5": 60, "ablation": 23}
