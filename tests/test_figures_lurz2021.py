"""Figures of Lurz 2021 on made-up scores: files, content, legibility, and what may be compared."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

import made_up_populations as made
from drawn_pages import saved_page
from drawn_texts import texts_outside, texts_overlapping
from figures.lurz2021_ablation import at_largest
from figures.lurz2021_fig1_collections import cells_of
from figures.lurz2021_fig4_transfer import title_of
from figures.lurz2021_readout_positions import COLUMNS, ellipse, example_neurons
from v1lib import plotting
from v1lib.files import read_csv, write_csv, write_json
from v1lib.lurz2021_curves import read_scored_runs
from v1lib.lurz2021_drawing import labelled
from v1lib.steps import parser_of

PUBLISHED = Path(__file__).resolve().parents[1] / "report" / "published_values.csv"
PROXY = "one scan in the place of four matched ones"
# Numbers of images of the paper's scans, and of a demonstration.
CASES = {
    "paper": ("real", "", made.IMAGES),
    "proxy": ("real", PROXY, made.IMAGES),
    "demo": ("simulated", "", [50, 300]),
    "one number of images": ("simulated", PROXY, [300]),
}
ALTERED = "random core, narrow"  # has another width than the paper's here
FIGURES = ("fig3_direct", "fig4_transfer", "fig5_animals", "fig5_direct_variants", "ablation")
FIELDS = [
    {"n_neurons": 60, "scans": {"1-1-1": 0, "1-1-2": 1}},
    {"n_neurons": 1000, "scans": {"2-1-1": 1}},
    {"n_neurons": 30, "scans": {"2-2-1": 0}},
]
COLLECTIONS = [["11-S", ["1-1-1", "1-1-2", "2-1-1"]], ["4-S: matched", ["1-1-1", "1-1-2"]]]


def step(name):
    return importlib.import_module(f"figures.lurz2021_{name}").main


def in_order(entries):
    return [[name, value] for name, value in entries.items()]


class Drawer:
    """Draws figures of one case in a folder; keeps pages and tables."""

    def __init__(self, folder, case):
        self.folder = folder
        self.kind, self.proxy, self.images = CASES[case]
        self.drawn = {}

    def population(self, model, level, *, neurons=(50,), n_scans=1, n_initialisations=1):
        rise = np.linspace(0.2, 1.0, len(self.images))
        means = {
            (images, n): level * share
            for n in neurons
            for images, share in zip(self.images, rise, strict=True)
        }
        scores = made.scattered(means, n_replicates=3, n_initialisations=n_initialisations)
        table = made.population(model, scores, n_scans=n_scans, kind=self.kind)
        path = self.folder / f"{model}.csv"
        write_csv(table, path)
        return path

    def inputs(self, name):
        n_scans = 1 if self.proxy else 4
        levels = iter(np.linspace(0.9, 0.3, 10))
        common = {
            "published": PUBLISHED,
            "missing": {},
            "proxy": [self.proxy] if self.proxy else [],
        }
        if name == "fig3_direct":
            sizes = {"n_scans": n_scans, "neurons": (50, 500, 3597)}
            files = [self.population(m, next(levels), **sizes) for m in made.FIG3.values()]
            return common | {"populations": files, "models": in_order(made.FIG3)}
        if name == "fig4_transfer":
            models = [model for panel in made.FIG4.values() for model in panel.values()]
            files = [self.population(model, next(levels), n_scans=n_scans) for model in models]
            records = [self.record(file) for file in files if "diff_core" in file.stem]
            return common | {"populations": files, "models": made.FIG4, "records": records}
        if name == "ablation":
            models = made.ABLATION
            files = [self.population(m, next(levels), n_scans=n_scans) for m in models.values()]
            return common | {"populations": files, "models": in_order(models)}
        if name == "fig5_direct_variants":
            model = "lurz2021_direct"
            file = self.population(model, 0.8, n_initialisations=3)
            other = read_csv(file).assign(model="lurz2021_other", value=0.1)
            write_csv(pd.concat([other, read_csv(file)]), file)
            return {"population": file, "model": model}
        files = [self.population(model, next(levels)) for model in made.FIG5.values()]
        missing = {"1-S": "no public scan"} if self.kind == "real" else {}
        kept = {label: model for label, model in made.FIG5.items() if label not in missing}
        return {
            "populations": [file for file in files if file.stem in kept.values()],
            "published": PUBLISHED,
            "models": in_order(kept),
            "missing": missing,
            "unreduced": ["direct"],
            "altered": [ALTERED],
        }

    def record(self, file):
        table = read_csv(file).drop_duplicates("seed")
        rows = table[["dataset", "model", "seed"]].to_dict("records")
        path = file.with_suffix(".json")
        draws = [{"draw": {"images": int(images)}} for images in table["images"]]
        write_json([row | draw for row, draw in zip(rows, draws, strict=True)], path)
        return path

    def __call__(self, name):
        if name not in self.drawn:
            options = self.inputs(name) | {"score": "fraction_oracle", "bootstrap_seed": 0}
            self.drawn[name] = run(step(name), self.folder / name, options)
        return self.drawn[name]


def run(main, place, options):
    """The outputs of a figure step and the page that it saved."""
    files = {"figure": "a.png", "pdf": "a.pdf", "table": "a.csv"}
    outputs = {key: place / file for key, file in files.items()}
    return outputs, saved_page(main, **options, **outputs)


@pytest.fixture(scope="module", params=list(CASES))
def draw(request, tmp_path_factory):
    return Drawer(tmp_path_factory.mktemp("drawn"), request.param)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_comes_with_its_pdf_and_says_what_its_data_are(draw, name):
    outputs, page = draw(name)
    image = imread(outputs["figure"])
    assert 0.005 < (image[..., :3].min(axis=2) < 0.9).mean() < 0.9
    assert outputs["pdf"].read_bytes().startswith(b"%PDF")
    assert plotting.is_marked_simulated(page) == (draw.kind == "simulated")
    has_proxy = name in ("fig3_direct", "fig4_transfer", "ablation")
    proxies = [text for text in page.texts if text.get_text().startswith("PROXY:")]
    assert bool(proxies) == (bool(draw.proxy) and has_proxy)
    table = read_csv(outputs["table"], required=["series", "label", "mean", "n", "source_kind"])
    ours = table[table["series"] != "published"]
    assert set(ours["source_kind"]) == {draw.kind}
    is_published = (table["series"] == "published").any()
    may_be = draw.kind == "real" and not (draw.proxy and has_proxy)
    assert is_published == (may_be and name != "fig5_direct_variants")


@pytest.mark.parametrize("name", FIGURES)
def test_texts_lie_inside_the_figure_and_not_over_each_other(draw, name):
    _, page = draw(name)
    assert texts_outside(page) == []
    assert texts_overlapping(page) == []


def test_fig3_draws_a_line_per_readout_and_number_of_neurons(draw):
    outputs, page = draw("fig3_direct")
    table = read_csv(outputs["table"])
    ours = table[table["series"] == "ours"]
    assert len(ours) == 4 * 3 * len(draw.images) and set(ours["n"]) == {3}
    scans = 1 if draw.proxy else 4
    assert sorted(set(ours["total_images"])) == [scans * n for n in draw.images]
    lines = [line for line in page.axes[0].get_lines() if line.get_linestyle() != "None"]
    means = [line.get_ydata() for line in lines if len(line.get_ydata()) == len(draw.images)]
    assert sorted(np.concatenate(means)) == pytest.approx(sorted(ours["mean"]), abs=1e-7)
    assert {line.get_linestyle() for line in lines} >= {"-", "--", ":"}


def test_fig5_keeps_the_order_of_the_legend_and_names_what_is_missing(draw):
    outputs, page = draw("fig5_animals")
    table = read_csv(outputs["table"])
    drawn = list(dict.fromkeys(table.loc[table["series"] == "ours", "label"]))
    missing = table[table["series"] == "not drawn"].set_index("label")["note"].to_dict()
    assert drawn == [label for label in made.FIG5 if label not in missing]
    assert missing == ({"1-S": "no public scan"} if draw.kind == "real" else {})
    entries = [text.get_text() for text in page.legends[0].get_texts()]
    assert entries[: len(drawn)] == drawn
    assert ("1-S: not drawn" in entries) == (draw.kind == "real")
    assert set(table.loc[table["label"] == "direct", "reduction"].dropna()) == {"all"}


def test_fig5_has_no_published_values_of_models_that_are_not_the_papers(draw):
    outputs, _ = draw("fig5_animals")
    table = read_csv(outputs["table"])
    published = set(table.loc[table["series"] == "published", "label"])
    assert ("random core, wide" in published) == (draw.kind == "real")
    assert ALTERED not in published and ALTERED in set(table["label"])


def test_fig4_has_a_panel_per_readout(draw):
    outputs, _ = draw("fig4_transfer")
    table = read_csv(outputs["table"])
    ours = table[table["series"] == "ours"]
    assert ours.groupby("panel").size().to_dict() == dict.fromkeys(
        ("factorised", "gaussian"), 3 * len(draw.images)
    )
    assert set(ours["label"]) == {
        "direct training",
        "diff-core/best-readout",
        "best-core/diff-readout",
    }


def test_fig4_shows_curves_that_meet_and_from_how_many_neurons_they_are(draw):
    _, page = draw("fig4_transfer")
    for ax, panel in zip(page.axes, ("Factorised", "Gaussian"), strict=True):
        assert ax.get_title("left") == f"{panel} readout, 50 held-out neurons per scan"
    (legend,) = page.legends
    entries = {line.get_label(): line for line in legend.get_lines()}
    below, above = (entries[f"{name}-readout"] for name in ("diff-core/best", "best-core/diff"))
    assert (below.get_linestyle(), above.get_linestyle()) == ("-", "--")
    assert below.get_marker() != above.get_marker()
    assert below.get_markersize() > above.get_markersize()
    several = title_of("gaussian", [50, 1000])
    assert several == "Gaussian readout, 50 to 1,000 held-out neurons per scan"
    assert title_of("gaussian", []) == "Gaussian readout"


def test_both_panels_of_the_ablation_have_one_labelled_scale(draw):
    _, page = draw("ablation")
    assert len(page.axes) == (2 if len(draw.images) > 1 else 1)
    assert {ax.get_ylabel() for ax in page.axes} == {"fraction oracle (test images)"}
    assert {ax.get_ylim() for ax in page.axes} == {page.axes[0].get_ylim()}
    largest = page.axes[-1]
    heights = [height for dots in largest.collections for _, height in dots.get_offsets()]
    low, high = largest.get_ylim()
    assert low < min(heights) and max(heights) < high


def test_figures_say_what_their_labels_stand_for(draw):
    _, page = draw("fig3_direct")
    assert page.legends[0].get_title().get_text() == "f-s: feature sharing"
    _, page = draw("ablation")
    assert page.axes[-1].get_xlabel() == "cortex: retinotopy\nf-s: feature sharing"


def test_direct_variants_draw_every_run(draw):
    outputs, page = draw("fig5_direct_variants")
    table = read_csv(outputs["table"])
    dots = page.axes[0].collections[0].get_offsets()
    assert len(dots) == (table["series"] == "run").sum() == 9 * len(draw.images)
    counts = table[table["series"] == "curve"].groupby("reduction")["n"].first()
    assert counts.to_dict() == {"all": 9, "best": 3}


def test_the_ablation_is_shown_at_the_largest_number_of_images_that_all_have(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    write_csv(made.population("a", {(50, 5): [[0.1]], (200, 5): [[0.3]]}), paths[0])
    write_csv(made.population("b", {(50, 5): [[0.2]]}), paths[1])
    runs = read_scored_runs(paths, "fraction_oracle")
    found = at_largest(runs, {"one": "a", "other": "b"})
    assert found[["label", "images", "mean"]].to_numpy().tolist() == [
        ["one", 50, 0.1],
        ["other", 50, 0.2],
    ]
    runs.loc[runs["model"] == "b", "total_images"] = 100
    with pytest.raises(ValueError, match=r"\['a', 'b'\] have no number of images in common"):
        at_largest(runs, {"one": "a", "other": "b"})


def test_labels_of_the_horizontal_axis_are_those_of_the_paper():
    images = np.array([200, 800, 2000, 4000, 10000, 17596])
    assert sorted(labelled(images, apart=0.12)) == [200, 4000, 10000, 17596]


def test_collections_are_cells_with_their_colours(tmp_path):
    options = {"fields": FIELDS, "collections": COLLECTIONS, "source_kind": "simulated"}
    options["evaluation"] = ["2-2-1"]
    outputs, page = run(step("fig1_collections"), tmp_path, options)
    table = read_csv(outputs["table"])
    assert table["collection"].tolist() == [
        *("11-S", "4-S: matched", "11-S", "4-S: matched"),
        *("11-S", "evaluation"),
    ]
    assert table["animal"].tolist() == [1, 1, 1, 1, 2, 2]
    assert plotting.is_marked_simulated(page)
    assert texts_outside(page) == [] and texts_overlapping(page) == []
    with pytest.raises(ValueError, match="collection '1-S' has scan 9-1-1"):
        cells_of(FIELDS, {"1-S": ["9-1-1"]})


def positions(model, n=60, *, shift=0.0, with_matrix=True, kind="simulated"):
    rng = np.random.default_rng(1)
    cortex = rng.uniform(0, 600, (2, n))
    table = {
        **{"dataset": "d", "model": model, "seed": 0, "images": 50, "neurons": n},
        **{"replicate": 0, "initialisation": 0, "session": "1-1-1-0", "neuron": np.arange(n)},
        **{"x": 0.0, "y": 0.0, "x_px": 20 + 0.03 * cortex[0] + shift},
        "y_px": 10 + 0.02 * cortex[1],
        **dict.fromkeys(("a_xx", "a_yy"), 3.0 if with_matrix else np.nan),
        **dict.fromkeys(("a_xy", "a_yx"), 0.0 if with_matrix else np.nan),
        **{"cortex_x_um": cortex[0], "cortex_y_um": cortex[1], "source_kind": kind},
    }
    return pd.DataFrame(table)[list(COLUMNS)]


ROLES = {"retinotopic": "r", "free": "f", "factorised": "m"}


@pytest.mark.parametrize("roles", [list(ROLES), ["free"]])
def test_positions_are_drawn_over_the_cortex_and_the_stimulus(tmp_path, roles):
    other_run = positions("r").assign(seed=1, images=20, x_px=0.0)
    tables = [
        pd.concat([other_run, positions("r")]),
        positions("f", shift=1.0),
        positions("m", with_matrix=False),
    ]
    paths = [tmp_path / f"{number}.csv" for number in range(3)]
    for table, path in zip(tables, paths, strict=True):
        write_csv(table, path)
    options = {"positions": paths, "models": {role: ROLES[role] for role in roles}, "proxy": []}
    options |= {"size_px": [36, 64], "n_examples": 4}
    outputs, page = run(step("readout_positions"), tmp_path, options)
    table = read_csv(outputs["table"])
    gaussian = [role for role in roles if role != "factorised"]
    assert (table["panel"] == "a").sum() == 60 * len(gaussian)
    assert (table["panel"] == "b").sum() == 4 * len(roles)
    assert set(table["images"]) == {50}
    colours = page.axes[0].collections[0].get_array()
    np.testing.assert_allclose(
        colours, tables[ROLES[roles[0]] == "f"].query("images == 50")["x_px"]
    )
    assert texts_outside(page) == [] and texts_overlapping(page) == []
    examples = [ax for ax in page.axes if ax.get_title("left").startswith("neuron ")]
    assert [ax.get_xlabel() for ax in examples] == 4 * ["horizontal position (px)"]
    assert examples[0].get_ylabel() == "vertical\nposition (px)"
    with pytest.raises(ValueError, match="no positions of model 'q'"):
        run(step("readout_positions"), tmp_path, options | {"models": {"free": "q"}})


def test_examples_are_neurons_that_all_models_have():
    first, second = positions("a", 8), positions("b", 8)
    second.loc[second["neuron"] == 3, "x_px"] = np.nan
    found = example_neurons([first, second[second["neuron"] > 1]], 3)
    ordered = first[first["neuron"].isin([2, 4, 5, 6, 7])].sort_values("x_px")["neuron"].tolist()
    assert [neuron for _, neuron in found] == [ordered[0], ordered[2], ordered[4]]
    assert example_neurons([first, second.iloc[:0]], 3) == []


def test_ellipses_are_contours_of_the_covariance():
    row = {"x_px": 5.0, "y_px": 2.0, "a_xx": 2.0, "a_xy": 1.0, "a_yx": 0.0, "a_yy": 0.5}
    matrix = np.array([[2.0, 1.0], [0.0, 0.5]])
    points = ellipse(row, 2.0) - [[5.0], [2.0]]
    covariance = matrix @ matrix.T
    distance = np.einsum("in,ij,jn->n", points, np.linalg.inv(covariance), points)
    np.testing.assert_allclose(distance, 4.0)


@pytest.mark.parametrize("name", [*FIGURES, "fig1_collections", "readout_positions"])
def test_a_figure_has_a_command_line(name):
    assert "--figure" in parser_of(step(name), name).format_help()
