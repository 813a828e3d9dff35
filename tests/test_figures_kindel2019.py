"""Every figure of Kindel 2019 on made-up tables: files, columns, the mark, nothing overlapping."""

import importlib
import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

import made_up_kindel2019 as made
from drawn_texts import texts_outside, texts_overlapping, visible_texts
from v1lib import plotting
from v1lib.files import read_csv, write_csv, write_json, write_npz
from v1lib.score_tables import neuron_means
from v1lib.steps import parser_of

CNN = "kindel2019_cnn"
TRAINED = [CNN, "kindel2019_lnln", "kindel2019_ln"]
SIZES = {  # cells, models, seeds
    "small": ({"01": 7, "02": 5}, [CNN, "kindel2019_lnln", "kindel2019_gabor_ridge"], [0, 1]),
    "full": (made.CELLS, list(made.QUALITY), list(range(7))),
}
CNN_SEARCH = {
    "paper": [1],
    "num_conv_layers": [1, 3],
    "dropout_keep": [0.35, 0.55, 0.8, 1.0],
    "learning_rate": [5e-5, 1e-3, 2e-4],
}
SEARCHES = {
    "kindel2019_lnln_search": ({"hidden_units": [150, 250, 375, 500, 900]}, 2),
    "kindel2019_gabor_search": ({"alphas": np.logspace(1, 8, 9).round(3).tolist()}, 1),
    "kindel2019_cnn_search": (CNN_SEARCH, 1),
}
WINDOW = 0.106
# figure -> columns that its table must have
FIGURES = {
    "k1_training": ["step", "train_loss", "validation_loss", "test_loss", "selected"],
    "k2_pearson_bars": ["session", "seed", "cell", "r", "undefined", "dead"],
    "k3_example_neurons": ["percentile", "neuron", "seed", "measured_hz", "predicted_hz", "r"],
    "k4_population": ["quantity", "bin_left", "n_in_bin", "mean", "sem", "median", "n"],
    "k5_activity": ["quantity", "mean_rate_hz", "value", "running_median", "group_sem"],
    "k6_sessions": ["model", "session", "neuron", "correlation"],
    "k7_models": ["model", "mean_r", "sem_r", "mean_difference", "p", "p_holm", "n_runs", "n_late"],
    "k8_search": ["model", "factor", "value", "split_seed", "mean_r", "line"],
    "k9_selected_step": ["model", "session", "seed", "best_step", "median_step", "late"],
    "k10_preferred_images": ["neuron", "kind", "row", "column", "grey_value", "stability"],
    "k11_orientation": ["quantity", "orientation_selectivity", "value", "selective", "group_n"],
    "k12_ceiling": ["neuron", "correlation", "ceiling_surrogate", "cumulative_share", "near"],
    "recovery": ["neuron", "preferred_image_likeness", "cc_norm_exact", "correlation_expected"],
}


@pytest.fixture(
    scope="module", params=["small-simulated", pytest.param("full-real", marks=pytest.mark.slow)]
)
def tables(request, tmp_path_factory):
    """Folder with all inputs, and the options of each figure for them."""
    size, kind = request.param.split("-")
    folder = tmp_path_factory.mktemp(size)
    cells, models, seeds = SIZES[size]
    scores = made.scores(cells, {m: made.QUALITY[m] for m in models}, seeds, source_kind=kind)
    neurons = neuron_means(scores, response_window_s=WINDOW, undefined_correlation="zero")
    write_csv(scores[scores["model"] == CNN], folder / "scores.csv")
    write_csv(neurons, folder / "neurons.csv")
    write_csv(made.history("01", seeds, source_kind=kind), folder / "history.csv")
    records = made.run_records(cells, seeds, source_kind=kind, best_step=6401)
    write_json(records, folder / "cnn.json")
    for model in TRAINED[1:]:
        records += made.run_records(cells, seeds, model=model, source_kind=kind)
    write_json(records, folder / "runs.json")
    steps = pd.DataFrame(records)[["dataset", "model", "session", "seed"]]
    write_csv(steps.assign(late=1), folder / "steps.csv")
    recording, predictions = made.recording_and_predictions(cells, seeds, source_kind=kind)
    recording.save(folder / "recording.npz")
    predictions.save(folder / "predictions.npz")
    n_images = 12 if size == "full" else 2
    write_npz(folder / "images.npz", **made.preferred_images(n_images, source_kind=kind))
    write_csv(made.recovery(len(recording.session), source_kind=kind), folder / "recovery.csv")
    searched = [
        made.search(model, *search, n_cells=9, source_kind=kind)
        for model, search in SEARCHES.items()
    ]
    write_csv(pd.concat([rows for rows, _ in searched]), folder / "search.csv")
    write_json([record for _, rows in searched for record in rows], folder / "search.json")
    of_cnn = neurons[neurons["model"] == CNN]
    index = np.random.default_rng(0).beta(1.5, 2.5, len(of_cnn))
    orientation = of_cnn[["session", "neuron", "source_kind"]]
    write_csv(orientation.assign(orientation_selectivity=index), folder / "orientation.csv")
    return folder, kind, options(folder, cells, models)


def options(folder, cells, models):
    neurons = {"neurons": folder / "neurons.csv"}
    population = {"model": CNN, "sessions": [session for session in cells if session != "02"]}
    seeds = {"session": "01", "seeds": [0]}
    cnn = {"scores": folder / "scores.csv"}
    labels = {"alphas": "ridge penalty alpha", "dropout_keep": "keep probability (dropout)"}
    searches = {"models": list(SEARCHES), "factor_labels": labels}
    trained = [model for model in models if model in TRAINED]
    return {
        "k1_training": cnn
        | {"histories": [folder / "history.csv"], "runs": [folder / "cnn.json"]}
        | seeds,
        "k2_pearson_bars": cnn | seeds,
        "k3_example_neurons": neurons
        | {"predictions": [folder / "predictions.npz"], "recording": folder / "recording.npz"}
        | population
        | {"percentiles": [90, 50, 10], "response_window_s": WINDOW},
        "k4_population": neurons | population | {"bin_width": 0.05},
        "k5_activity": neurons
        | population
        | {"active_rate_hz": 5.0, "response_window_s": WINDOW, "running_median_neurons": 41},
        "k6_sessions": neurons | {"models": models, "sessions": list(cells)},
        "k7_models": neurons
        | {"steps": folder / "steps.csv"}
        | {"models": models, "reference": CNN, "bootstrap_seed": 0}
        | {"sessions": population["sessions"]},
        "k8_search": {"scores": [folder / "search.csv"], "runs": [folder / "search.json"]}
        | searches
        | {"pooled_models": ["kindel2019_gabor_search"]},
        "k9_selected_step": {"runs": [folder / "runs.json"], "models": trained}
        | {"sessions": list(cells), "late_fraction": 0.75},
        "k10_preferred_images": {"preferred_images": folder / "images.npz"}
        | {"model": CNN, "n_neurons": 12},
        "k11_orientation": neurons
        | {"orientation": folder / "orientation.csv"}
        | population
        | {"selective_from": 0.3},
        "k12_ceiling": neurons | population | {"near_ceiling": 0.9},
        "recovery": {"recovery": folder / "recovery.csv"},
    }


def step(name):
    return importlib.import_module(f"figures.kindel2019_{name}").main


def outputs(name, folder):
    files = {"figure": f"{name}.png", "pdf": f"{name}.pdf", "table": f"{name}.csv"}
    if name in ("k1_training", "k2_pearson_bars"):
        return {f"{key}s": [folder / file] for key, file in files.items()}
    return {key: folder / file for key, file in files.items()}


@pytest.fixture(scope="module")
def draw(tables):
    """Draw a figure, once: the folder of its files, the figure, the source kind of its data."""
    folder, kind, all_options = tables
    drawn = {}

    def run(name):
        if name not in drawn:
            place, pages, save = folder / "drawn" / name, [], plotting.save_figure
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    plotting,
                    "save_figure",
                    lambda page, *rest: (pages.append(page), save(page, *rest)),
                )
                step(name)(**all_options[name], **outputs(name, place))
            (page,) = pages
            drawn[name] = place, page, kind
        return drawn[name]

    return run


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_comes_with_its_pdf_and_exactly_what_is_drawn(draw, name):
    folder, page, kind = draw(name)
    image = imread(folder / f"{name}.png")
    assert image.shape[1] == pytest.approx(page.get_size_inches()[0] * 300, abs=1)
    assert 0.005 < (image[..., :3].min(axis=2) < 0.9).mean() < 0.9
    assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    table = read_csv(folder / f"{name}.csv", required=[*FIGURES[name], "source_kind"])
    assert len(table)
    assert set(table["source_kind"]) == {kind}
    assert {path.suffix for path in folder.iterdir()} == {".png", ".pdf", ".csv"}


@pytest.mark.parametrize("name", FIGURES)
def test_only_simulated_data_are_marked_and_the_mark_covers_nothing(draw, name):
    _, page, kind = draw(name)
    assert plotting.is_marked_simulated(page) == (kind == "simulated")
    marks = [box for text, box in visible_texts(page) if text == plotting.SIMULATED_MARK]
    assert len(marks) == (kind == "simulated")
    for mark, ax in itertools.product(marks, page.axes):
        assert not mark.overlaps(ax.get_tightbbox())


@pytest.mark.parametrize("name", FIGURES)
def test_texts_lie_inside_the_figure_and_not_over_each_other(draw, name):
    _, page, _ = draw(name)
    assert texts_outside(page) == []
    assert texts_overlapping(page) == []


def test_the_check_of_texts_finds_titles_that_are_too_long():
    """Negative control."""
    title = "a title that is longer than its panel is wide"
    with plotting.style():
        page = plotting.new_figure(plotting.COLUMN_CM, 5)
        for ax in plotting.panels(page, 1, 2):
            ax.set_title(title)
    assert texts_outside(page) == [title]
    assert (title, title) in texts_overlapping(page)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_a_command_line(name):
    assert "--figure" in parser_of(step(name), name).format_help()
