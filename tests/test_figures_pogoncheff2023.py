"""Figures of Pogoncheff 2023 on made-up results: files, content, legibility."""

import importlib

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.image import imread
from scipy import stats

import made_up_v1_scores as made
from drawn_pages import saved_page
from drawn_texts import texts_outside, texts_overlapping
from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.pogoncheff2023_drawing import looks_of
from v1lib.pogoncheff2023_tables import FAMILIES
from v1lib.steps import parser_of

FIGURES = ("p1_properties", "p4_alignment", "p4_severities", "p7_training")
TWINS = {
    f"{label}, adversarial": models["adversarial"] for label, models in made.ADVERSARIAL.items()
}
EVERY = made.SINGLE | made.COMPOSITES | TWINS
FEW = {label: EVERY[label] for label in ("ResNet-50", "cortical magnification", "composite A")}
# networks, seeds, kind of images, kind of neurons, properties
CASES = {
    "paper": (EVERY, 3, "real", "real", made.IN_FULL),
    "demo": (EVERY, 1, "simulated", "simulated", made.PUBLIC),
    "few": (FEW, 2, "real", None, made.PUBLIC),
}
PROFILE = "small networks, simulated objects"
OTHERS = "other_pictures"  # that networks were fine-tuned to
CLASSES = {"pictures": 20, OTHERS: 5}
FINETUNED = {label: f"{EVERY[label]}_finetuned" for label in ("ResNet-50", "composite A")}


def step(name):
    return importlib.import_module(f"figures.pogoncheff2023_{name}").main


class Drawer:
    """Draws figures of one case in a folder; keeps pages and tables."""

    def __init__(self, folder, case):
        self.folder = folder
        self.models, self.n_seeds, self.kind, neurons, properties = CASES[case]
        rng = np.random.default_rng(1)
        levels = dict(
            zip(self.models.values(), np.linspace(0.5, 0.65, len(self.models)), strict=True)
        )
        about = {"kind": self.kind}
        self.scores = self.written(
            "s",
            (
                made.scattered_scores(m, x, n_seeds=self.n_seeds, properties=properties, **about)
                for m, x in levels.items()
            ),
        )
        self.predictivities = self.written(
            "p",
            (
                made.predictivity(m, x / 2 + 0.01 * np.arange(self.n_seeds), kind=neurons)
                for m, x in (levels if neurons else {}).items()
            ),
        )
        # the last networks are the best
        clean = {
            m: x + 0.1 * rng.random() + 0.01 * rng.normal(size=self.n_seeds)
            for m, x in levels.items()
        }
        self.accuracies = self.written(
            "a",
            (
                made.accuracies(
                    m, x, falls=dict(zip(FAMILIES, rng.uniform(0.05, 0.3, 4), strict=True)), **about
                )
                for m, x in clean.items()
            ),
        )
        rise = 1 - np.exp(-np.arange(1, 13) / 4)
        self.histories = self.written(
            "h",
            (
                made.history(m, [np.r_[0.05, value * rise] for value in x], **about)
                for m, x in clean.items()
            ),
        )
        tuned = (
            made.history(m, [np.r_[0.2, 0.2 + 0.3 * rise]] * self.n_seeds, **about, dataset=OTHERS)
            for m in FINETUNED.values()
        )
        self.histories += self.written("f", tuned)
        self.drawn = {}

    def written(self, name, tables):
        return made.written(self.folder, name, list(tables))

    def pairs(self, labels=None):
        return [[k, v] for k, v in self.models.items() if labels is None or k in labels]

    def options(self, name):
        files = {"scores": self.scores, "predictivities": self.predictivities}
        groups = {
            "single components": self.pairs(made.SINGLE),
            "composites": self.pairs({"ResNet-50", *made.COMPOSITES}),
            "adversarial training": self.pairs({"ResNet-50", "composite A", *TWINS}),
        }
        groups = [[name, models] for name, models in groups.items() if len(models) > 1]
        limits = {"least_units": 10}
        classes = {"n_classes": CLASSES}
        alignment = {"evaluated": self.models, "accuracies": self.accuracies}
        curves = [*groups, ["fine-tuned", [list(pair) for pair in FINETUNED.items()]]]
        return {
            "p1_properties": files | limits | {"models": self.pairs()},
            "p4_alignment": files | limits | classes | alignment | {"models": self.pairs()},
            "p4_severities": classes | {"accuracies": self.accuracies, "groups": groups},
            "p7_training": classes | {"histories": self.histories, "groups": curves},
        }[name]

    def __call__(self, name):
        if name not in self.drawn:
            files = {"figure": "a.png", "pdf": "a.pdf", "table": "a.csv"}
            outputs = {key: self.folder / name / file for key, file in files.items()}
            page = saved_page(step(name), **self.options(name), **outputs, profile=PROFILE)
            self.drawn[name] = outputs, page
        return self.drawn[name]


@pytest.fixture(scope="module", params=list(CASES))
def draw(request, tmp_path_factory):
    return Drawer(tmp_path_factory.mktemp("drawn"), request.param)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_what_its_networks_learned_from(draw, name):
    outputs, page = draw(name)
    image = imread(outputs["figure"])
    assert 0.005 < (image[..., :3].min(axis=2) < 0.9).mean() < 0.9
    assert outputs["pdf"].read_bytes().startswith(b"%PDF")
    assert plotting.is_marked_simulated(page) == (draw.kind == "simulated")
    assert any(text.get_text().startswith("PROFILE:") for text in page.texts)
    assert any(PROFILE in text.get_text() for text in page.texts)
    table = read_csv(outputs["table"], required=["profile", "label", "model", "source_kind"])
    assert set(table["profile"]) == {PROFILE} and set(table["source_kind"]) == {draw.kind}
    assert set(table["model"]) <= {*draw.models.values(), *FINETUNED.values()}


@pytest.mark.parametrize("name", FIGURES)
def test_texts_lie_inside_the_figure_and_not_over_each_other(draw, name):
    _, page = draw(name)
    assert texts_outside(page) == []
    assert texts_overlapping(page) == []


@pytest.mark.parametrize("name", ["p4_severities", "p7_training"])
def test_no_line_leaves_its_panel(draw, name):
    _, page = draw(name)
    for ax in page.axes:
        low, high = ax.get_ylim()
        heights = np.concatenate([np.asarray(line.get_ydata(), float) for line in ax.get_lines()])
        assert low == 0 and np.nanmax(heights) < high


def test_every_score_has_a_panel_with_a_dot_for_each_seed(draw):
    outputs, page = draw("p1_properties")
    table = read_csv(outputs["table"])
    axes = [ax for ax in page.axes if ax.axison]
    assert len(axes) == table["quantity"].nunique()
    titles = [ax.get_title(loc="left").replace("\n", " ").strip() for ax in axes]
    assert ("V1 overall" in titles) == (len(draw.predictivities) > 0 and draw.kind == "real")
    assert ("property score (15 of 22)" in titles) == ("texture modulation" not in titles)
    first = axes[titles.index("orientation")]
    rows = table[(table["quantity"] == "orientation") & (table["series"] == "seed")]
    dots = np.concatenate([dots.get_offsets()[:, 0] for dots in first.findobj(PathCollection)])
    assert sorted(dots) == pytest.approx(sorted(rows["value"]))
    assert [text.get_text() for text in first.get_yticklabels() if text.get_text()] in (
        [],
        list(draw.models),
    )
    assert (table["series"] == "mean").sum() == len(draw.models) * len(axes)


def test_robustness_is_drawn_against_alignment_with_its_correlation(draw):
    outputs, page = draw("p4_alignment")
    table = read_csv(outputs["table"])
    for quantity, ax in zip(("clean", "corrupted", "relative"), page.axes, strict=True):
        rows = table[table["quantity"] == quantity]
        assert len(rows) == len(draw.models)
        rho = stats.spearmanr(rows["alignment"], rows["accuracy"]).statistic
        assert rows["rho"].to_numpy() == pytest.approx(rho)
        shown = ax.get_title(loc="right").replace("−", "-")
        assert shown == f"Spearman's rho {rho:.2f}, {len(rows)} networks"
    has_overall = len(draw.predictivities) > 0 and draw.kind == "real"
    expected = "V1 overall" if has_overall else "property score (15 of 22)"
    assert page.axes[0].get_xlabel() == expected


def test_severities_begin_with_the_clean_image_and_fall(draw):
    outputs, page = draw("p4_severities")
    table = read_csv(outputs["table"])
    base = table[(table["label"] == "ResNet-50") & (table["group"] == "single components")]
    assert len(base) == 6 * len(FAMILIES)
    clean = base.loc[base["severity"] == 0, "mean"]
    assert np.ptp(clean) == 0
    for _, rows in base.groupby("quantity"):
        assert (np.diff(rows.sort_values("severity")["mean"]) < 0).all()
    assert any("generated corruptions" in text.get_text() for text in page.texts)
    assert len(page.axes) == len(FAMILIES) * table["group"].nunique()


def test_training_curves_have_a_line_for_each_seed_and_the_mean(draw):
    outputs, page = draw("p7_training")
    table = read_csv(outputs["table"])
    for ax, (_, models) in zip(page.axes, draw.options("p7_training")["groups"], strict=True):
        lines = [line for line in ax.get_lines() if len(line.get_xdata()) == 13]
        assert len(lines) == len(models) * (draw.n_seeds + 1)
        own = table[table["model"] == models[0][1]].groupby("epoch")["value"].mean()
        assert lines[draw.n_seeds].get_ydata() == pytest.approx(own.to_numpy(), abs=1e-6)
    trained = table["group"] != "fine-tuned"
    assert table.loc[trained & (table["epoch"] == 0), "value"].to_numpy() == pytest.approx(0.05)
    assert set(table.loc[~trained, "model"]) == set(FINETUNED.values())
    assert set(table.loc[~trained, "dataset"]) == {OTHERS}
    assert page.axes[-1].get_title(loc="left") == "fine-tuned"


def test_twins_look_like_the_networks_they_come_from():
    plain, twin, tuned, other = (
        looks_of([f"pogoncheff2023_{name}"])[f"pogoncheff2023_{name}"]
        for name in ("composite_a", "composite_a_adversarial", "composite_a_finetuned", "new")
    )
    assert tuned == plain
    assert twin.colour == plain.colour
    assert twin.marker != plain.marker and twin.line != plain.line
    assert other.marker == "D"


def test_every_network_and_its_adversarial_twin_have_a_look_of_their_own():
    names = [*made.SINGLE.values(), *made.COMPOSITES.values()]
    names += [f"{name}_adversarial" for name in names]
    assert len(set(looks_of(names).values())) == len(names) == 28


def test_unknown_networks_share_a_spare_colour_only_with_their_own_twins():
    names = ["mine", "yours_finetuned", "mine_adversarial", "yours", "mine_finetuned"]
    looks = looks_of([f"pogoncheff2023_{name}" for name in names])
    mine, yours, twin, yours_too, mine_too = looks.values()
    assert mine == mine_too and yours == yours_too
    assert mine.colour == twin.colour != yours.colour and mine != twin


def test_unknown_networks_look_the_same_in_every_panel_and_in_the_legend(tmp_path):
    """An unknown network per panel, after known ones: each is the first unknown one of its own."""
    draw = Drawer(tmp_path, "few")
    known = list(FEW.values())[:2]
    mine, yours = "pogoncheff2023_mine", "pogoncheff2023_yours"
    rising = np.linspace(0.05, 0.4, 13)
    new = [made.history(mine, [rising] * 2), made.history(yours, [rising / 2] * 2)]
    draw.histories += draw.written("n", new)
    groups = [["one", [["known", known[0]], ["mine", mine]]]]
    groups += [["two", [["also known", known[1]], ["yours", yours]]]]
    options = draw.options("p7_training") | {"groups": groups}
    draw.options = lambda _: options
    _, page = draw("p7_training")
    legend = page.legends[0]
    entries = {
        text.get_text(): (line.get_color(), line.get_marker(), line.get_linestyle())
        for text, line in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    for ax, (_, models) in zip(page.axes, groups, strict=True):
        means = [line for line in ax.get_lines() if line.get_marker() != "None"]
        shown = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in means]
        assert shown == [entries[label] for label, _ in models]
    assert entries["mine"] != entries["yours"]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_a_command_line(name):
    assert "--figure" in parser_of(step(name), name).format_help()


def test_figures_say_which_networks_have_no_score(tmp_path):
    """The last network has no units at the stimuli in any seed, another has none in one of two."""
    draw = Drawer(tmp_path, "few")
    _, some, none = draw.models.values()
    for number, (model, levels) in enumerate({some: [0.7, np.nan], none: [np.nan] * 2}.items()):
        write_csv(made.scores(model, levels), draw.scores[1 + number])
    outputs, page = draw("p1_properties")
    for ax in (ax for ax in page.axes if ax.axison):
        assert [text.get_text() for text in ax.texts] == ["not measured"]
    table = read_csv(outputs["table"])
    means = table[(table["series"] == "mean") & (table["quantity"] == "properties")]
    assert means["n_seeds"].tolist() == [2, 1, 0] and means["value"].isna().tolist()[2]
    title = page.legends[0].get_title().get_text()
    assert title.endswith("mean ± standard error over 1 to 2 seeds")
    assert texts_outside(page) == [] and texts_overlapping(page) == []
    outputs, page = draw("p4_alignment")
    labels = [text.get_text() for text in page.legends[0].get_texts()]
    networks = ["ResNet-50", "cortical magnification", "composite A (not measured)"]
    assert labels == [*networks, "chance (1/20)"]  # no seed of few units has a score
    title = page.legends[0].get_title().get_text()
    assert title == "mean ± standard error over 1 to 2 seeds"
    table = read_csv(outputs["table"])
    assert set(table["n"]) == {2} and not table["few_units"].any()
    assert table.query("quantity == 'clean'")["n_seeds"].tolist() == [2, 2, 2]
    assert table.query("quantity == 'clean'")["alignment_n_seeds"].tolist() == [2, 1, 0]
    assert texts_outside(page) == [] and texts_overlapping(page) == []
