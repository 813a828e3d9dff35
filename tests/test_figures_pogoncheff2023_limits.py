"""What figures of Pogoncheff 2023 say of chance, of few units, and of severities not measured."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

import made_up_v1_scores as made
from drawn_texts import texts_outside, texts_overlapping
from figures.pogoncheff2023_p5_components import _edges
from test_figures_pogoncheff2023 import CLASSES, FINETUNED, OTHERS, Drawer
from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.pogoncheff2023_drawing import looks_of
from v1lib.pogoncheff2023_limits import chance_note, chance_of, few_units
from v1lib.pogoncheff2023_tables import alignments

WITH_ACCURACY = ("p4_alignment", "p4_severities", "p7_training")


@pytest.fixture
def draw(tmp_path):
    """Three networks with two seeds each: enough units, drawn on demand."""
    return Drawer(tmp_path, "few")


def with_units(draw, number, n_units_of):
    """Give a network other numbers of units in its two seeds."""
    model = list(draw.models.values())[number]
    write_csv(made.scores(model, [0.6, 0.7], n_units_of=n_units_of), draw.scores[number])


def levels_of_chance(ax):
    """Heights of dashed lines across a panel."""
    lines = [line for line in ax.get_lines() if list(line.get_xdata()) == [0, 1]]
    return [line.get_ydata()[0] for line in lines if line.get_linestyle() == "--"]


def legends_of(page):
    legends = [*page.legends, *(ax.get_legend() for ax in page.axes)]
    return [legend for legend in legends if legend]


def labels_of(page):
    return [text.get_text() for legend in legends_of(page) for text in legend.get_texts()]


@pytest.mark.parametrize("name", WITH_ACCURACY)
def test_accuracies_stand_beside_chance(draw, name):
    outputs, page = draw(name)
    table = read_csv(outputs["table"])
    expected = {
        "p4_alignment": [[1 / 20], [1 / 20], []],  # a ratio of accuracies has no level
        "p4_severities": [[1 / 20]] * len(page.axes),
        "p7_training": [*[[1 / 20]] * (len(page.axes) - 1), [1 / 5]],
    }[name]
    assert [levels_of_chance(ax) for ax in page.axes] == expected
    said = {label for label in labels_of(page) if label.startswith("chance")}
    assert said == ({"chance (1/20, 1/5)"} if name == "p7_training" else {"chance (1/20)"})
    found = table["chance"].dropna().unique()
    assert sorted(found) == pytest.approx(
        sorted({level for of_panel in expected for level in of_panel})
    )


@pytest.mark.parametrize("name", WITH_ACCURACY)
def test_without_a_number_of_classes_there_is_no_chance(draw, name):
    options = draw.options(name)
    draw.options = lambda _: options | {"n_classes": {}}
    outputs, page = draw(name)
    assert [levels_of_chance(ax) for ax in page.axes] == [[]] * len(page.axes)
    assert not any("chance" in label for label in labels_of(page))
    assert read_csv(outputs["table"])["chance"].isna().all()


def test_chance_is_one_class_of_all():
    datasets = pd.Series(["pictures", OTHERS, "unknown"])
    np.testing.assert_array_equal(chance_of(datasets, CLASSES), [1 / 20, 1 / 5, np.nan])
    note = chance_note([*datasets, "pictures"], CLASSES)
    assert note == (
        "**Chance level**: 0.050 (20 classes, pictures), 0.200 (5 classes, other_pictures)."
    )
    assert chance_note(["unknown"], CLASSES) == ""


def test_runs_with_few_units_are_those_below_the_limit(tmp_path):
    table = made.scores("a", [0.5, 0.6, np.nan], n_units_of=[9, 10, 0])
    predicted = made.predictivity("a", [0.1, 0.2, 0.3])
    values = alignments(
        *(made.written(tmp_path, n, [t]) for n, t in (("s", table), ("p", predicted)))
    )
    found = values.assign(few=few_units(values, 10))
    of_run = found[found["quantity"] == "properties"].set_index("seed")["few"]
    assert of_run.to_dict() == {0: True, 1: False, 2: True}
    assert not found.loc[found["quantity"] == "predictivity", "few"].any()
    assert found.loc[(found["quantity"] == "overall") & (found["seed"] == 0), "few"].all()


def test_scores_of_few_units_are_hollow_dots_and_grey_means(draw):
    with_units(draw, 1, [9, 10])
    outputs, page = draw("p1_properties")
    ax = next(ax for ax in page.axes if ax.get_title(loc="left").startswith("property score"))
    dots = ax.findobj(PathCollection)
    faces = [[to_hex(face) for face in own.get_facecolors()] for own in dots]
    white = to_hex("white")
    assert [[face == white for face in own] for own in faces] == [
        [False, False],
        [True, False],
        [False, False],
    ]
    means = [
        line for line in ax.get_lines() if line.get_marker() == "|" and line.get_markersize() == 7
    ]
    greys = [line.get_color() == plotting.GREY for line in means]
    assert greys == [False, True, False]
    table = read_csv(outputs["table"])
    own = table[(table["quantity"] == "properties") & table["few_units"]]
    assert own["series"].tolist() == ["seed", "mean"] and set(own["seed"].dropna()) == {0}
    assert "seed with fewer than 10 units" in labels_of(page)
    assert "± standard error over 2 seeds" in page.legends[0].get_title().get_text()


def test_networks_with_few_units_have_hollow_markers_of_their_own_colour(draw):
    with_units(draw, 0, [50, 9])
    with_units(draw, 2, [9, 50])
    outputs, page = draw("p4_alignment")
    *handles, _, _ = page.legends[0].legend_handles
    assert [handle.get_markerfacecolor() == "white" for handle in handles] == [True, False, True]
    colours = [look.colour for look in looks_of(list(draw.models.values())).values()]
    assert [handle.get_color() for handle in handles] == colours
    points = [line for line in page.axes[0].get_lines() if len(line.get_xdata()) == 1]
    for handle in handles:
        like = [p for p in points if p.get_marker() == handle.get_marker()]
        assert [p.get_markerfacecolor() for p in like] == [handle.get_markerfacecolor()]
    assert labels_of(page)[-2:] == ["chance (1/20)", "fewer than 10 units in a seed"]
    table = read_csv(outputs["table"]).query("quantity == 'clean'")
    assert table["few_units"].tolist() == [True, False, True]
    assert texts_outside(page) == [] and texts_overlapping(page) == []


@pytest.mark.parametrize(("n_units_of", "is_few"), [([50, 0], False), ([9, 0], True)])
def test_seeds_without_a_score_make_no_mean_grey(draw, n_units_of, is_few):
    """The second seed has no unit and no score, so it is in no mean."""
    model = list(draw.models.values())[1]
    write_csv(made.scores(model, [0.6, np.nan], n_units_of=n_units_of), draw.scores[1])
    table = read_csv(draw("p1_properties")[0]["table"])
    own = table[(table["quantity"] == "properties") & (table["model"] == model)]
    assert own.loc[own["series"] == "mean", "few_units"].tolist() == [is_few]
    assert own.loc[own["series"] == "seed", "few_units"].tolist() == [is_few, True]
    outputs, page = draw("p4_alignment")
    points = read_csv(outputs["table"]).query("quantity == 'clean'")
    assert points["few_units"].tolist() == [False, is_few, False]
    assert ("fewer than 10 units in a seed" in labels_of(page)) == is_few


def test_enough_units_need_no_word(draw):
    outputs, page = draw("p4_alignment")
    assert not any("units" in label for label in labels_of(page))
    assert not read_csv(outputs["table"])["few_units"].any()


def test_severities_have_ticks_where_they_were_measured(draw):
    for path in draw.accuracies:
        table = read_csv(path)
        write_csv(table[table["severity"].isin([0, 1, 4])], path)
    _, page = draw("p4_severities")
    for ax in page.axes:
        assert ax.get_xticks().tolist() == [0, 1, 4]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["clean", "1", "4"]
    assert "over 2 seeds" in page.get_supxlabel()


def test_every_network_in_training_can_be_told_apart(draw):
    outputs, page = draw("p7_training")
    [legend] = page.legends
    looks = [
        (line.get_color(), line.get_marker(), line.get_linestyle())
        for line in legend.legend_handles
    ]
    assert len(set(looks)) == len(looks) == len(draw.models) + 1
    marks = [line.get_marker() for line in page.axes[-1].get_lines() if len(line.get_xdata()) == 13]
    assert [mark for mark in marks if mark != "None"] == ["s", "$A$"]
    table = read_csv(outputs["table"]).query("group == 'fine-tuned'")
    assert table["label"].unique().tolist() == list(FINETUNED)


@pytest.mark.parametrize(("low", "high"), [(-4.1, 3.3), (-0.2, 9.0)])
def test_bins_do_not_hold_values_of_both_signs(low, high):
    values = np.linspace(low, high, 500)
    table = pd.DataFrame({"before": values, "after": values})
    edges = _edges(table, 30, 0.0)
    assert np.isclose(edges, 0, atol=1e-12).sum() == 1
    assert edges[0] < low and edges[-1] > high and 30 <= len(edges) - 1 <= 32
    np.testing.assert_allclose(np.diff(edges), edges[1] - edges[0])
    apart = _edges(table + 10, 30, 0.0)
    assert len(apart) == 31 and apart[0] > 0


def test_the_caption_of_p5_has_the_symbols_of_its_axes():
    root = Path(__file__).resolve().parents[1]
    source = (root / "scripts/figures/pogoncheff2023_p5_components.py").read_text()
    caption = (root / "report/pogoncheff2023_p5_components.rst").read_text()
    panels = source.partition("_PANELS = {")[2].partition("_NAMES")[0]
    written = {
        **{"$s_1$": "drawn are s₁", "$s_2/s_1$": "s₂/s₁", "$a$": "amplitude *a*"},
        **{r"$\\sigma$": "standard deviation σ", r"$\\rho, \\sigma$": "standard deviations ρ, σ"},
        **{"|$A$|": r"\|A\|", "|$b$|": r"constant \|b\|"},
    }
    symbols = re.findall(r"\|?\$.+?\$\|?", panels)
    assert sorted(symbols) == sorted(written)
    flowing = " ".join(caption.split())
    assert [written[symbol] for symbol in symbols if written[symbol] not in flowing] == []
