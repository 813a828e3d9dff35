"""Figures of learned normalization (Burg 2021) on made-up networks: files, content, legibility."""

import importlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

import made_up_burg2021 as made
from drawn_pages import saved_page
from drawn_texts import texts_outside, texts_overlapping, visible_texts
from v1lib import plotting
from v1lib.files import read_csv
from v1lib.learned_normalization import load_normalization
from v1lib.steps import parser_of

ORIENTED = {"criterion": "original", "threshold": 0.125}
SETTINGS = {"oriented": ORIENTED, "bin_width_deg": 10.0, "similar_below_deg": 45.0}
ONE = {"oriented": ORIENTED}
TOP = {"n_top": 10}
SIMILAR = {"similar_below_deg": 45.0}
POOLS = [
    f"burg2021_divisive_{name}net" for name in ("", *(f"{n}x{n}_surround_" for n in (3, 5, 7)))
]
UNLIKE = [*zip(POOLS, (50000, 40000, 50, 50), strict=True)]
# figure -> step, file it reads, its options, columns that its table must have
FIGURES = {
    "f5a_matrix": (
        *("f5a_matrix", "specific", ONE | SIMILAR | {"rotate": 1}),
        ["row", "column", "provider", "normalized", "value", "line_left", "weight"],
    ),
    "f5b_similar": (
        *("f5b_similar", "specific", ONE | SIMILAR | {"summed_over": "normalized"}),
        ["feature", "similar", "dissimilar", "summed_over"],
    ),
    "f5b_received": (
        *("f5b_similar", "specific", ONE | SIMILAR | {"summed_over": "providers"}),
        ["feature", "similar", "dissimilar", "summed_over"],
    ),
    "f5c_orientation": (
        *("f5c_orientation", "specific", ONE | TOP | {"bin_width_deg": 10.0}),
        ["panel", "bin_centre_deg", "input", "mean", "sd", "sem", "comparison_p"],
    ),
    "f5d_exponents": (
        *("f5d_exponents", "specific", ONE | TOP | {"n_bins": 15}),
        ["rank", "feature", "exponent", "oriented", "bin_low"],
    ),
    "f7_pool3": (
        *("f7_pools", "pool3", {"spacing_deg": 5 / 35, "steps": []}),
        ["component", "feature", "value"],
    ),
    "f7d_pool7": (
        *("f7_pools", "pool7", {"spacing_deg": 5 / 35, "steps": UNLIKE}),
        ["component", "feature", "value"],
    ),
    "f_readout": (
        *("f_readout", "specific", TOP | {"n_bins": 15}),
        ["rank", "feature", "mean_readout_weight", "bin_low", "coefficient_of_variation"],
    ),
    "a_filters": (
        *("a_filters", "specific", ONE | {"ranks": [2, 20]}),
        ["rank", "feature", "column", "angle_deg", "length_scale_free", "weight"],
    ),
    "b_regression": (
        *("b_regression", "specific", ONE),
        ["provider", "normalized", "difference_deg", "input", "fitted", "p"],
    ),
    "c_nonspecific": (
        *("c_nonspecific", "nonspecific", TOP | {"settings": SETTINGS}),
        ["panel", "group", "input", "bin_centre_deg", "comparison_ratio"],
    ),
}
NEED_ORIENTED = ["f5b_similar", "f5b_received", "b_regression"]
SIZES = {
    "demo-simulated": {},
    "no orientation-simulated": {"any_oriented": False},
    "one model-simulated": {"n_models": 1},
    "paper-real": {"n_models": 20, "n_features": 32, "size": 13, "n_neurons": 166},
}


def write_inputs(folder, size, kind):
    """The four files that the figures read."""
    options = SIZES[f"{size}-{kind}"] | {"source_kind": kind}
    made.learned(**options).save(folder / "specific.npz")
    made.learned(**options, selective=False, model="burg2021_nonspecific_divisive_net").save(
        folder / "nonspecific.npz"
    )
    for side in (3, 7):
        pools = {"pool_size": side, "n_components": 2}
        model = f"burg2021_divisive_{side}x{side}_surround_net"
        made.learned(**options, **pools, model=model).save(folder / f"pool{side}.npz")


def step(name):
    return importlib.import_module(f"figures.burg2021_{FIGURES[name][0]}").main


def inputs_of(name, folder):
    file = FIGURES[name][1]
    if name == "c_nonspecific":
        return {key: folder / f"{key}.npz" for key in ("nonspecific", "specific")}
    return {"normalization": folder / f"{file}.npz"}


NEED_SEVERAL = ["f5c_orientation", "a_filters", "c_nonspecific"]
DRAWN = {
    "demo-simulated": list(FIGURES),
    "no orientation-simulated": [*NEED_ORIENTED, *NEED_SEVERAL, "f5a_matrix", "f5d_exponents"],
    "one model-simulated": NEED_SEVERAL,
    "paper-real": list(FIGURES),
}


def drawn(*names):
    """Run a test for each of these figures in every size that it is drawn in."""
    cases = [
        pytest.param(
            (size, name),
            id=f"{name}-{size}",
            marks=[pytest.mark.slow] if size.startswith("paper") else [],
        )
        for size, there in DRAWN.items()
        for name in (names or FIGURES)
        if name in there
    ]
    return pytest.mark.parametrize("case", cases, indirect=True)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """Folder of the inputs of a size, and what was drawn from them: each once."""
    folders, figures = {}, {}

    def inputs(size):
        if size not in folders:
            folders[size] = tmp_path_factory.mktemp("made_up")
            write_inputs(folders[size], *size.split("-"))
        return folders[size]

    return inputs, figures


@pytest.fixture
def case(request, made_up):
    """A figure: its name, the folder of its files, the page, and what it was drawn from."""
    (inputs, figures), (size, name) = made_up, request.param
    folder = inputs(size)
    if request.param not in figures:
        files = {"figure": f"{name}.png", "pdf": f"{name}.pdf", "table": f"{name}.csv"}
        figures[request.param] = saved_page(
            step(name),
            **inputs_of(name, folder),
            **FIGURES[name][2],
            **{key: folder / name / file for key, file in files.items()},
        )
    kind, page = size.split("-")[1], figures[request.param]
    return Case(name, size.split("-")[0], kind, folder, folder / name, page)


@dataclass(frozen=True)
class Case:
    name: str
    size: str
    kind: str
    inputs: Path
    folder: Path
    page: Figure

    def table(self, *, required=()):
        return read_csv(self.folder / f"{self.name}.csv", required=required)

    @property
    def words(self):
        return " ".join(text for text, _ in visible_texts(self.page))


@drawn()
def test_a_figure_comes_with_its_pdf_and_what_is_drawn(case):
    image = imread(case.folder / f"{case.name}.png")
    assert image.shape[1] == pytest.approx(case.page.get_size_inches()[0] * 300, abs=1)
    assert 0.002 < (image[..., :3].min(axis=2) < 0.9).mean() < 0.9
    assert (case.folder / f"{case.name}.pdf").read_bytes().startswith(b"%PDF")
    table = case.table(required=[*FIGURES[case.name][3], "source_kind"])
    empty = (case.size == "no orientation" and case.name in NEED_ORIENTED) or (
        case.size == "one model" and case.name == "a_filters"
    )
    assert (len(table) == 0) == empty
    assert set(table["source_kind"]) == (set() if empty else {case.kind})


@drawn()
def test_texts_lie_inside_and_apart_and_simulated_data_are_marked(case):
    assert texts_outside(case.page) == []
    assert texts_overlapping(case.page) == []
    marks = [box for text, box in visible_texts(case.page) if text == plotting.SIMULATED_MARK]
    assert len(marks) == (case.kind == "simulated")
    for mark, ax in itertools.product(marks, case.page.axes):
        assert not mark.overlaps(ax.get_tightbbox())


@drawn(*NEED_ORIENTED, "f5c_orientation", "c_nonspecific")
def test_a_panel_without_oriented_features_says_so(case):
    says_so = "oriented feature in any" in case.words or "is oriented" in case.words
    assert says_so == (case.size == "no orientation")


@drawn("a_filters")
def test_a_sheet_without_models_says_so(case):
    assert ("no draw of ranks 2 to 20" in case.words) == (case.size == "one model")


@drawn("f5c_orientation")
def test_statistics_that_need_several_models_are_not_printed_for_one(case):
    assert "nan" not in case.words
    assert ("one model" in case.words) == (case.size == "one model")


@drawn("f7_pool3", "f7d_pool7")
def test_a_sheet_says_if_models_were_trained_for_different_times(case):
    said = (
        "different times\n(steps at most: Specific DN 50,000; DN, 3×3 pool 40,000; DN, 5×5 pool 50;"
    )
    assert (said in case.words) == (case.name == "f7d_pool7")
    assert ("comparable" in case.words) == (case.name == "f7d_pool7")


@drawn("f5a_matrix")
def test_the_matrix_shows_the_provider_in_the_column(case):
    table = case.table()
    cells = table[table["content"] == "input"]
    best = load_normalization(case.inputs / "specific.npz")
    provider, normalized = (cells[name].to_numpy(int) for name in ("provider", "normalized"))
    expected = best.input_weights[0, provider, normalized] * best.pooled_mean[0, provider]
    np.testing.assert_allclose(cells["value"], expected, rtol=1e-6)
    assert (cells.groupby("row")["normalized"].nunique() == 1).all()
    assert (cells.groupby("column")["provider"].nunique() == 1).all()


@drawn("f5a_matrix")
def test_lines_part_what_lies_on_different_sides_of_45_degrees(case):
    table = case.table()
    cells = table[table["content"] == "input"].set_index(["row", "column"])
    difference = cells["difference_deg"]
    n_lines = 0
    for (row, column), cell in cells.iterrows():
        for place, line in (((row, column - 1), "line_left"), ((row - 1, column), "line_top")):
            before, here = difference.get(place, np.nan), cell["difference_deg"]
            defined = not np.isnan([before, here]).any()
            assert cell[line] == (defined and (before < 45) != (here < 45))
            n_lines += cell[line]
    assert (n_lines > 0) == (case.size != "no orientation")


def test_the_point_of_a_feature_is_its_row_or_its_column(tmp_path):
    made.learned().save(tmp_path / "specific.npz")
    totals, similar = [], []
    for name in ("f5b_similar", "f5b_received"):
        files = {"figure": "b.png", "pdf": "b.pdf", "table": f"{name}.csv"}
        step(name)(
            **inputs_of(name, tmp_path),
            **FIGURES[name][2],
            **{key: tmp_path / file for key, file in files.items()},
        )
        table = read_csv(tmp_path / f"{name}.csv")
        totals.append(table[["similar", "dissimilar"]].to_numpy().sum())
        similar.append(table["similar"])
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)  # the same pairs
    assert not np.allclose(*similar)


@drawn("a_filters")
def test_filters_are_sorted_by_angle_with_unoriented_ones_last_in_red(case):
    table = case.table().drop_duplicates(["rank", "feature"])
    frames = [patch for patch in case.page.axes[0].patches if patch.get_linewidth() == 1.0]
    assert len(frames) == table["unoriented"].sum()
    for _, row in table.sort_values("column").groupby("rank"):
        assert row["unoriented"].is_monotonic_increasing
        assert row["angle_deg"].dropna().is_monotonic_increasing
        assert (np.isnan(row["angle_deg"]) == row["unoriented"].astype(bool)).all()


@drawn("c_nonspecific")
def test_the_control_is_nearer_to_one_than_the_specific_models(case):
    ratio = case.table().drop_duplicates("panel").set_index("panel")["comparison_ratio"]
    if case.size == "no orientation":
        assert ratio[["b and c", "c"]].isna().all()
    else:
        assert ratio["c"] > ratio["b and c"]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_a_command_line(name):
    assert "--figure" in parser_of(step(name), name).format_help()


def test_real_and_simulated_models_are_not_set_beside_each_other(tmp_path):
    made.learned(source_kind="real").save(tmp_path / "nonspecific.npz")
    made.learned(source_kind="simulated").save(tmp_path / "specific.npz")
    files = {"figure": "c.png", "pdf": "c.pdf", "table": "c.csv"}
    with pytest.raises(ValueError, match=r"nonspecific\.npz holds real data"):
        step("c_nonspecific")(
            **inputs_of("c_nonspecific", tmp_path),
            **FIGURES["c_nonspecific"][2],
            **{key: tmp_path / file for key, file in files.items()},
        )
