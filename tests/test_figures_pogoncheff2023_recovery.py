"""The recovery figure of Pogoncheff et al. 2023, drawn from made-up cells."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.image import imread

from drawn_pages import saved_page
from drawn_texts import texts_outside, texts_overlapping
from figures.pogoncheff2023_recovery import main
from test_distribution_similarity import DISTRIBUTIONS
from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.steps import parser_of
from v1lib.v1_properties import TEXTURE_PROPERTIES
from v1lib.v1_recovery import CELL_COLUMNS, agreements
from v1lib.v1_scores import read_references

PROPERTIES = [r.name for r in read_references(DISTRIBUTIONS) if r.name not in TEXTURE_PROPERTIES]
SCALES = {"bandwidth": 20.0, "grating_summation_field": 1.5, "max_dc": 40.0}
CASES = {"many": (60, 20), "few": (6, 2)}  # cells at the stimuli, and away


def made_up_cells(n_near, n_far, seed=0):
    """Cells whose measured values scatter around the planted ones by a twentieth."""
    rng = np.random.default_rng(seed)
    n = n_near + n_far
    is_near = np.arange(n) < n_near
    tables = [table_of("at_stimuli", np.arange(n), is_near, is_near)]
    for name in ("field_y", "field_x"):
        planted = 0.5 + np.where(is_near, rng.uniform(-0.07, 0.07, n), rng.uniform(0.5, 1.5, n))
        measured = np.where(is_near, planted + rng.normal(0, 0.004, n), np.nan)
        tables.append(table_of(name, np.arange(n), planted, measured))
    units = np.arange(n_near)
    for name in ("drawn_orientation", "preferred_orientation"):
        planted = rng.uniform(0, 180, n_near)
        measured = (planted + rng.normal(0, 4, n_near) + 22.5) % 180 - 22.5
        tables.append(table_of(name, units, planted, measured))
    for name in ("drawn_frequency", *PROPERTIES):
        if name == "preferred_orientation":
            continue
        planted = SCALES.get(name, 1.0) * rng.uniform(0.5, 1.5, n_near)
        planted = np.ones(n_near) if name == "orientation_selective" else planted
        noise = 0 if name == "orientation_selective" else 0.05
        measured = planted * (1 + noise * rng.normal(size=n_near))
        tables.append(table_of(name, units, planted, measured))
    about = {"dataset": "cells", "model": "cells", "seed": 0, "source_kind": "simulated"}
    return pd.concat(tables, ignore_index=True).assign(**about)[list(CELL_COLUMNS)]


def table_of(name, units, planted, measured):
    values = {"planted": np.asarray(planted, float), "measured": np.asarray(measured, float)}
    return pd.DataFrame({"unit": units, "property": name} | values)


def drawn(folder, cells):
    """The table of the figure, its page and its files."""
    paths = {name: folder / f"{name}.csv" for name in ("cells", "agreement")}
    write_csv(cells, paths["cells"])
    write_csv(agreements(cells, n_permutations=200, seed=0), paths["agreement"])
    files = {"figure": "recovery.png", "pdf": "recovery.pdf", "table": "recovery.csv"}
    outputs = {key: folder / file for key, file in files.items()}
    page = saved_page(main, **paths, **outputs)
    return read_csv(outputs["table"]), page, outputs


@pytest.fixture(scope="module", params=list(CASES))
def case(request, tmp_path_factory):
    cells = made_up_cells(*CASES[request.param])
    return cells, *drawn(tmp_path_factory.mktemp("recovery"), cells)


def test_the_figure_says_that_the_cells_are_simulated(case):
    _, table, page, outputs = case
    image = imread(outputs["figure"])
    assert 0.005 < (image[..., :3].min(axis=2) < 0.9).mean() < 0.95
    assert outputs["pdf"].read_bytes().startswith(b"%PDF")
    assert plotting.is_marked_simulated(page)
    assert set(table["source_kind"]) == {"simulated"}


def test_texts_lie_inside_the_figure_and_not_over_each_other(case):
    _, _, page, _ = case
    assert texts_outside(page) == []
    assert texts_overlapping(page) == []


def test_every_cell_with_both_values_is_a_dot_and_in_the_table(case):
    cells, table, page, _ = case
    n_near = int(cells.query("property == 'at_stimuli'")["planted"].sum())
    dots = [sum(len(part.get_offsets()) for part in ax.findobj(PathCollection)) for ax in page.axes]
    of_legend = 2  # entries with a dot each
    assert dots[0] in (2 * n_near, 2 * n_near + of_legend)
    assert dots[1:5] == [n_near] * 4
    counts = table[table["series"] == "cell"]["property"].value_counts()
    assert counts["bandwidth"] == counts["field_x"] == n_near
    assert counts["at_stimuli"] == len(cells.query("property == 'at_stimuli'"))
    summary = table[table["series"] == "property"]
    assert summary["property"].tolist() == cells["property"].unique().tolist()


def test_titles_give_the_errors_and_what_was_left_out(case):
    _, table, page, _ = case
    first, *others = (ax.get_title(loc="left") for ax in page.axes)
    n = int((table["property"] == "bandwidth").sum()) - 1
    far = {60: 20, 6: 2}[n]
    assert first == (
        f"cells that are counted:\n{n} of {n} at the stimuli,\n0 of {far} away from them"
    )
    row = table.query("series == 'property' and property == 'bandwidth'").iloc[0]
    assert f"orientation half-width, n = {n}\nerror {row['error']:.2g}°, p = " in others[2]
    assert f"(cells exchanged: {row['control']:.2g}°)" in others[2]


def test_axes_say_what_they_show_and_in_which_unit(case):
    _, _, page, _ = case
    labels = [(ax.get_xlabel(), ax.get_ylabel()) for ax in page.axes[:5]]
    quantities = ("position (°)", "orientation (°)", "frequency (cycles/°)", "half-width (°)")
    assert labels == [
        (f"planted {name}", f"measured {name}") for name in (*quantities, "summation field (°)")
    ]


def test_an_orientation_is_drawn_at_its_nearer_copy(case):
    _, _, page, _ = case
    offsets = np.concatenate([p.get_offsets() for p in page.axes[1].findobj(PathCollection)])
    assert np.abs(offsets[:, 1] - offsets[:, 0]).max() < 20


def test_errors_are_shares_of_chance_and_equal_cells_have_none(case):
    _, table, page, _ = case
    last = page.axes[5]
    [dots] = last.findobj(PathCollection)
    summary = table[table["series"] == "property"]
    with np.errstate(invalid="ignore"):
        share = (summary["error"] / summary["control"]).to_numpy()
    np.testing.assert_allclose(np.ma.filled(dots.get_offsets()[:, 0], np.nan), share, atol=1e-6)
    assert [text.get_text() for text in last.texts if text.get_text() != "f"] == ["all cells alike"]


def test_cells_that_were_counted_wrongly_are_seen(tmp_path):
    cells = made_up_cells(10, 4)
    is_place = cells["property"] == "at_stimuli"
    cells.loc[is_place & (cells["unit"] == 12), "measured"] = 1
    cells.loc[is_place & (cells["unit"] == 3), "measured"] = 0
    _, page, _ = drawn(tmp_path, cells)
    assert page.axes[0].get_title(loc="left") == (
        "cells that are counted:\n9 of 10 at the stimuli,\n1 of 4 away from them"
    )


def test_a_table_of_another_step_is_refused(tmp_path):
    cells = made_up_cells(6, 2)
    with pytest.raises(ValueError, match="no property 'bandwidth'"):
        drawn(tmp_path, cells[cells["property"] != "bandwidth"])


def test_the_figure_has_a_command_line():
    assert "--agreement" in parser_of(main, "pogoncheff2023_recovery").format_help()


def test_a_measure_in_which_all_planted_cells_are_alike_has_no_share(tmp_path):
    cells = made_up_cells(10, 4)
    is_alike = cells["property"] == "orientation_selective"
    assert (cells.loc[is_alike, "planted"] == 1).all()
    cells.loc[cells.index[is_alike][0], "measured"] += 1
    table, page, _ = drawn(tmp_path, cells)
    row = table[table["series"] == "property"].set_index("property").loc["orientation_selective"]
    assert row["error"] == pytest.approx(row["control"]) and row["error"] > 0
    texts = [text.get_text() for text in page.axes[5].texts if text.get_text() != "f"]
    assert texts == ["all cells alike"]
