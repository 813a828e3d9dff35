"""Figures P5 and P6 of Pogoncheff et al. 2023, drawn from made-up results."""

import importlib
from itertools import product

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from drawn_pages import saved_page
from drawn_texts import texts_outside, texts_overlapping
from v1lib import plotting
from v1lib.component_tables import COMPONENT_COLUMNS, FULL_WIDTH
from v1lib.files import read_csv, write_csv, write_npz
from v1lib.steps import parser_of

PROFILE = "simulated objects, small networks"
SURROUND = {"sigma_1": (1.5, 0.3), "ratio": (1.5, 0.3), "amplitude": (0.0, 2.0)}
TUNED = {"width": (32.5, 0.3), "fwhm": (32.5 * FULL_WIDTH, 0.3 * FULL_WIDTH)}
UNTUNED = {"width": (1.5, 0.3), "amplitude": (0.5, 0.02), "bias": (1.5, 0.0)}
MODELS = {  # label: model, and blocks by component
    "center-surround": ("pogoncheff2023_center_surround", {"center_surround": 3}),
    "divisive normalization, untuned": ("pogoncheff2023_div_norm", {"untuned": 3}),
    "divisive normalization, tuned": ("pogoncheff2023_tuned_norm", {"tuned": 3}),
    "composite A": ("pogoncheff2023_composite_a", {"center_surround": 2, "tuned": 3}),
}
PARAMETERS = {"center_surround": SURROUND, "tuned": TUNED, "untuned": UNTUNED}
CASES = {
    "all": (list(MODELS), "simulated"),
    "one": (["divisive normalization, tuned"], "real"),
    "two": (["composite A", "center-surround"], "real"),
}


def components_of(label, kind, n_units=60):
    """Parameters of three seeds; training moves all of them up by a tenth of their size."""
    model, blocks = MODELS[label]
    rng = np.random.default_rng(0)
    tables = []
    for seed, (component, n_blocks) in product(range(3), blocks.items()):
        for block, (parameter, (mean, sd)) in product(
            range(n_blocks), PARAMETERS[component].items()
        ):
            before = rng.normal(mean, sd, 1 if parameter == "bias" else n_units)
            about = {"dataset": "d", "model": model, "seed": seed, "component": component}
            about |= {"block": block, "parameter": parameter, "unit": np.arange(len(before))}
            about |= {"before": before, "after": before + 0.1 * abs(mean) + 0.5 * sd}
            tables.append(pd.DataFrame(about | {"source_kind": kind}))
    return pd.concat(tables)[list(COMPONENT_COLUMNS)]


def images_of(label, kind, n_channels=8, seeds=(4, 9), size_px=16):
    rng = np.random.default_rng(len(label))
    n_units = n_channels * len(seeds)
    return {
        "images": rng.uniform(-1, 1, (n_units, 3, size_px, size_px)).astype(np.float32),
        "activation": rng.uniform(0, 40, (11, n_units)).astype(np.float32),
        "seed": np.repeat(seeds, n_channels),
        "channel": np.tile(7 * np.arange(n_channels), len(seeds)),
        "row": np.full(n_units, 8),
        "column": np.full(n_units, 8),
        "dataset": "d",
        "model": MODELS[label][0],
        "source_kind": kind,
    }


def draw(name, folder, options):
    """The table of a figure and the page that was saved."""
    main = importlib.import_module(f"figures.pogoncheff2023_{name}").main
    outputs = {key: folder / f"a.{end}" for key, end in ENDINGS.items()}
    page = saved_page(main, **options, **outputs, profile=PROFILE)
    return read_csv(outputs["table"]), page, outputs


ENDINGS = {"figure": "png", "pdf": "pdf", "table": "csv"}


@pytest.fixture(scope="module", params=list(CASES))
def case(request):
    return CASES[request.param]


@pytest.fixture(scope="module")
def drawn(case, tmp_path_factory):
    """Both figures of a case: table, page and files of each."""
    labels, kind = case
    folder = tmp_path_factory.mktemp("drawn")
    models = [[label, MODELS[label][0]] for label in labels]
    tables, arrays = [], []
    for number, label in enumerate(reversed(labels)):  # files in another order than the figure
        tables.append(folder / f"{number}.csv")
        write_csv(components_of(label, kind), tables[-1])
        arrays.append(folder / f"{number}.npz")
        write_npz(arrays[-1], **images_of(label, kind))
    (folder / "p5").mkdir()
    (folder / "p6").mkdir()
    p5 = {"components": tables, "models": models, "n_bins": 20, "tail": 0.002}
    p6 = {"activating": arrays, "models": models}
    return {
        "p5_components": draw("p5_components", folder / "p5", p5),
        "p6_activating_images": draw("p6_activating_images", folder / "p6", p6),
    }


FIGURES = ("p5_components", "p6_activating_images")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_what_its_data_are(drawn, case, name):
    labels, kind = case
    table, page, outputs = drawn[name]
    image = imread(outputs["figure"])
    assert 0.005 < (image[..., :3].min(axis=2) < 0.9).mean() < 0.95
    assert outputs["pdf"].read_bytes().startswith(b"%PDF")
    assert plotting.is_marked_simulated(page) == (kind == "simulated")
    assert any(text.get_text().startswith("PROFILE:") for text in page.texts)
    assert set(table["profile"]) == {PROFILE} and set(table["source_kind"]) == {kind}
    assert list(dict.fromkeys(table["label"])) == labels or name == "p5_components"
    assert set(table["label"]) == set(labels)


@pytest.mark.parametrize("name", FIGURES)
def test_texts_lie_inside_the_figure_and_not_over_each_other(drawn, name):
    _, page, _ = drawn[name]
    assert texts_outside(page) == []
    assert texts_overlapping(page) == []


def test_p5_has_a_strip_for_every_network_and_block(drawn, case):
    labels, _ = case
    table, page, _ = drawn["p5_components"]
    key = ["label", "component", "parameter", "block"]
    found = {tuple(row) for row in table[key].drop_duplicates().to_numpy().tolist()}
    assert found == {
        (label, component, parameter, block)
        for label in labels
        for component, n_blocks in MODELS[label][1].items()
        for parameter in PARAMETERS[component]
        if parameter != "fwhm"  # the second axis of the width
        for block in range(n_blocks)
    }
    n_strips = sum(len(ax.patches) for ax in page.axes)
    assert n_strips == 2 * len(found)  # before and after
    sums = table.groupby([*key, "when"])["share"].sum()
    np.testing.assert_allclose(sums, 1.0, rtol=1e-6)
    assert set(table["n_seeds"]) == {3}


def test_p5_shows_where_the_values_went(drawn):
    table, _, _ = drawn["p5_components"]
    middle = table.assign(mean=(table["bin_low"] + table["bin_high"]) / 2 * table["share"])
    means = middle.pivot_table("mean", ["component", "parameter"], "when", aggfunc="sum")
    assert len(means) and (means["after"] > means["before"]).all()
    signed = table[table["parameter"] == "amplitude"].dropna(subset=["positive"])
    assert set(signed["component"]) <= {"center_surround"}
    for _, rows in signed.groupby(["label", "block"]):
        assert rows.loc[rows["when"] == "after", "positive"].iloc[0] > 0.55
        assert 0.4 < rows.loc[rows["when"] == "before", "positive"].iloc[0] < 0.6


def test_p5_is_given_all_its_models(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(components_of("composite A", "real"), path)
    options = {"components": [path], "n_bins": 20, "tail": 0.0, "models": [["B", "b"]]}
    with pytest.raises(ValueError, match="no components of model 'b'"):
        draw("p5_components", tmp_path, options)


def test_p6_draws_the_images_of_the_first_network(drawn, case):
    labels, kind = case
    table, page, _ = drawn["p6_activating_images"]
    shown = [ax.images[0].get_array() for ax in page.axes if ax.images]
    assert len(shown) == 8 * len(labels) and set(table["seed"]) == {4}
    own = images_of(labels[-1], kind)
    expected = np.round(127.5 * (own["images"][7] + 1)).transpose(1, 2, 0)
    np.testing.assert_array_equal(shown[-1], expected)
    pixels = [name for name in table if name.startswith("column_")]
    rows = table[(table["label"] == labels[-1]) & (table["channel"] == 49)]
    red = rows[rows["colour"] == "red"].sort_values("row")[pixels]
    np.testing.assert_array_equal(red, expected[..., 0])
    assert rows["activation"].iloc[0] == pytest.approx(own["activation"][-1, 7])


def test_p6_is_given_all_its_models(tmp_path):
    write_npz(tmp_path / "a.npz", **images_of("composite A", "real"))
    options = {"activating": [tmp_path / "a.npz"], "models": [["B", "b"]]}
    with pytest.raises(ValueError, match=r"no images of model 'b'; there are some of \['pogon"):
        draw("p6_activating_images", tmp_path, options)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_a_command_line(name):
    main = importlib.import_module(f"figures.pogoncheff2023_{name}").main
    assert "--profile" in parser_of(main, name).format_help()
