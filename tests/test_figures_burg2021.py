"""Figures of performance (Burg 2021) on made-up searches: files, content, legibility."""

import importlib
from functools import cache

import numpy as np
import pytest
from matplotlib.image import imread

import made_up_searches as made
from drawn_pages import saved_page
from drawn_texts import texts_outside, texts_overlapping
from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.steps import parser_of

GAP = [made.ROLES["subunit"], made.ROLES["cnn"]]
EXTENT = dict(zip(made.POOLS, (0.49, 0.77, 1.06, 1.34), strict=True))
FIGURES = {
    "f3_performance": (
        made.CLASSES,
        {"models": made.CLASSES, "gap": GAP},
        ["model", "rank", "fev_percent", "mean", "sem", "gap_mean", "gap_sem", "n_models"],
    ),
    "f7b_pool_size": (
        made.POOLS,
        {
            "pools": [
                {"role": "", "model": model, "size": size, "extent_deg": EXTENT[model]}
                for model, size in zip(made.POOLS, (1, 3, 5, 7), strict=True)
            ],
            "steps": [],
        },
        ["model", "size", "extent_deg", "rank", "fev_percent", "n_draws"],
    ),
}
CASES = {"paper": ("real", 40), "demo": ("simulated", 3), "one draw": ("simulated", 1)}


def step(name):
    return importlib.import_module(f"figures.burg2021_{name}").main


@pytest.fixture(scope="module", params=list(CASES))
def draw(request, tmp_path_factory):
    """Draw a figure from ranked searches, once: files, figure, source kind, number of draws."""
    kind, n_draws = CASES[request.param]
    folder = tmp_path_factory.mktemp("searches")

    @cache
    def run(name, *, same_fev=False, steps=None):
        models, options, _ = FIGURES[name]
        options = options | ({"steps": [*zip(models, steps, strict=True)]} if steps else {})
        place, rankings = folder / name / f"{same_fev=} {steps=}", []
        for model in models:
            table = made.ranking(made.draws(model, n_draws, source_kind=kind))
            rankings.append(place / f"{model}.csv")
            write_csv(table.assign(fev=0.4) if same_fev else table, rankings[-1])
        files = {"figure": f"{name}.png", "pdf": f"{name}.pdf", "table": f"{name}.csv"}
        outputs = {key: place / file for key, file in files.items()}
        page = saved_page(step(name), rankings=rankings, n_top=10, **options, **outputs)
        return outputs, page, kind, n_draws

    return run


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_comes_with_its_pdf_and_exactly_what_is_drawn(draw, name):
    outputs, page, kind, n_draws = draw(name)
    image = imread(outputs["figure"])
    assert 0.005 < (image[..., :3].min(axis=2) < 0.9).mean() < 0.9
    assert outputs["pdf"].read_bytes().startswith(b"%PDF")
    table = read_csv(outputs["table"], required=[*FIGURES[name][2], "source_kind"])
    assert set(table["source_kind"]) == {kind}
    assert table.groupby("model").size().tolist() == [min(10, n_draws)] * 4
    assert plotting.is_marked_simulated(page) == (kind == "simulated")


@pytest.mark.parametrize("name", FIGURES)
def test_texts_lie_inside_the_figure_and_not_over_each_other(draw, name):
    _, page, _, _ = draw(name)
    assert texts_outside(page) == []
    assert texts_overlapping(page) == []


def test_equal_means_are_drawn_without_a_second_scale(draw):
    _, page, _, _ = draw("f3_performance", same_fev=True)
    (ax,) = page.axes
    assert "no gap" in ax.get_title(loc="left")
    assert texts_outside(page) == [] and texts_overlapping(page) == []


def test_f3_draws_the_means_on_both_scales(draw):
    outputs, page, _, n_draws = draw("f3_performance")
    table = read_csv(outputs["table"])
    left, right = page.axes
    n_top = min(10, n_draws)
    means = [
        100 * made.ranking(made.draws(m, n_draws, source_kind="real"))["fev"][:n_top].mean()
        for m in made.CLASSES
    ]
    np.testing.assert_allclose(left.get_yticks(), means)
    np.testing.assert_allclose(right.get_yticks(), means)
    assert right.get_ylim() == left.get_ylim()
    once = table.drop_duplicates("model").set_index("model").loc[made.CLASSES]
    np.testing.assert_allclose(once["mean"], means)
    assert once["gap_mean"].iloc[[0, 3]].tolist() == pytest.approx([0, 100], abs=1e-6)
    expected = 100 * (means[2] - means[0]) / (means[3] - means[0])
    assert once["gap_mean"].iloc[2] == pytest.approx(expected)
    labels = [label.get_text() for label in left.get_xticklabels()]
    assert all(f"n = {n_top}" in label for label in labels)


def test_f7b_marks_the_best_draw_of_each_pool_and_the_analysed_model(draw):
    outputs, page, _, n_draws = draw("f7b_pool_size")
    (ax,) = page.axes
    others, rest, chosen = (dots.get_offsets() for dots in ax.collections)
    assert len(others) == 4 * (min(10, n_draws) - 1)
    assert rest[:, 0].tolist() == [3, 5, 7]
    assert chosen[:, 0].tolist() == [1]
    table = read_csv(outputs["table"])
    best = table[(table["rank"] == 1) & (table["size"] == 1)]
    assert chosen[0, 1] == pytest.approx(best["fev_percent"].item())
    assert [label.get_text().split("\n")[0] for label in ax.get_xticklabels()] == [
        "0.49",
        "0.77",
        "1.06",
        "1.34",
    ]


@pytest.mark.parametrize("steps", [None, (50000, 40000, 50, 50)])
def test_f7b_says_if_models_were_trained_for_different_times(draw, steps):
    outputs, page, _, _ = draw("f7b_pool_size", steps=steps)
    marks = [text.get_text() for text in page.texts]
    assert ("NOT COMPARABLE: trained for different times" in marks) == bool(steps)
    labels = [label.get_text().split("\n")[2:] for label in page.axes[0].get_xticklabels()]
    said = [["≤ 50,000 steps"], ["≤ 40,000 steps"], ["≤ 50 steps"], ["≤ 50 steps"]]
    assert labels == (said if steps else [[]] * 4)
    best = read_csv(outputs["table"]).query("rank == 1").sort_values("size")
    np.testing.assert_equal(best["max_steps"].tolist(), steps or [np.nan] * 4)
    assert texts_outside(page) == [] and texts_overlapping(page) == []


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_a_command_line(name):
    assert "--n-top" in parser_of(step(name), name).format_help()
