"""Captions of the report: filled in from the configuration, valid, and none missing."""

import re
from pathlib import Path
from types import SimpleNamespace

import docutils.core
import jinja2
import pytest
import yaml

from configured_models import whole_models

ROOT = Path(__file__).resolve().parents[1]
CAPTIONS = sorted((ROOT / "report").glob("*.rst"))
ALWAYS_SIMULATED = (
    *("kindel2019_k11_orientation", "kindel2019_recovery"),
    "burg2021_recovery",
    *("lurz2021_ablation", "lurz2021_fig1_collections", "lurz2021_recovery"),
    "pogoncheff2023_recovery",
)
PAPERS = {  # as its rules call it
    "kindel": "kindel2019",
    "burg": "burg2021",
    "lurz": "lurz2021",
    "pogoncheff": "pogoncheff2023",
}
PARAMS = {  # of the rules whose captions mention them
    "active_rate_hz": 5.0,
    "late_fraction": 0.75,
    "near_ceiling": 0.9,
    "percentiles": "[90, 50, 10]",
    "response_window_s": 0.106,
    "running_median_neurons": 41,
    "selective_from": 0.3,
}


def whole(entries, name):
    """A data set with what it takes from another, as the rules see it."""
    own = dict(entries[name])
    parent = own.pop("like", None)
    return whole(entries, parent) | own if parent else own


@pytest.fixture(params=["real", "simulated"])
def config(request):
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())
    datasets = settings["datasets"]
    settings["datasets"] = {name: whole(datasets, name) for name in datasets}
    settings["models"] = whole_models()
    if request.param == "simulated":
        settings["papers"]["kindel2019"] |= {
            "dataset": "kindel2019_simulated",
            "search_dataset": "kindel2019_simulated_session02",
        }
        settings["papers"]["burg2021"]["dataset"] = "cadena2019_simulated"
    else:
        settings["papers"]["lurz2021"]["dataset"] = "lurz2020"
        settings["papers"]["pogoncheff2023"]["dataset"] = "tiny_imagenet"
        settings["sources"]["lurz2020"]["use"] = True
    return request.param, settings


def filled(path, kind, settings):
    snakemake = SimpleNamespace(
        config=settings,
        params=SimpleNamespace(**PARAMS),
        wildcards=SimpleNamespace(session="03", variant="public" if kind == "real" else "animals"),
    )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    return environment.from_string(path.read_text()).render(snakemake=snakemake)


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_a_caption_is_valid_and_says_if_the_data_are_simulated(path, config):
    kind, settings = config
    text = filled(path, kind, settings)
    docutils.core.publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})
    assert "{{" not in text
    always = path.stem in ALWAYS_SIMULATED
    if path.stem.startswith(tuple(PAPERS.values())):
        assert ("**Simulated data**" in text) == (kind == "simulated" or always)
    if path.stem == "workflow":
        assert ("used simulated data" in text) == (kind == "simulated")


@pytest.mark.parametrize("filters", [128, 32])
def test_the_caption_of_fig_5_says_how_wide_random_cores_are(config, filters):
    kind, settings = config
    model = "lurz2021_public_random128" if kind == "real" else "lurz2021_random128"
    settings["models"][model]["params"]["core"]["filters"] = filters
    text = " ".join(filled(ROOT / "report/lurz2021_fig5_animals.rst", kind, settings).split())
    assert f"(filters in a layer of the random core: wide {filters}, narrow 64)" in text


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("kindel2019_k4_population", ("355", "0.556", "published value")),
        ("kindel2019_k5_activity", ("0.69",)),
        ("burg2021_f3_performance", ("41 %", "52 %")),
    ],
)
def test_published_values_stand_beside_real_data_only(config, name, published):
    kind, settings = config
    text = filled(ROOT / f"report/{name}.rst", kind, settings)
    assert [value in text for value in published] == [kind == "real"] * len(published)


@pytest.mark.parametrize("name", ["f7b_pool_size", "f7_pools"])
@pytest.mark.parametrize("shortened", [None, "pool3", "pool7"])
def test_captions_of_pools_say_if_they_were_trained_for_different_times(config, name, shortened):
    kind, settings = config
    roles = settings["papers"]["burg2021"]["roles"]
    if shortened:
        model = settings["models"][roles[shortened]]
        model["training"] = model["training"] | {"max_steps": 123}
    text = filled(ROOT / f"report/burg2021_{name}.rst", kind, settings)
    assert ("**Not comparable**" in text) == (shortened is not None)
    assert (f"{shortened} 123" in " ".join(text.split())) == (shortened is not None)


def test_every_caption_that_a_rule_names_is_there_and_the_other_way_round():
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    named = set(re.findall(r"report/(\w+)\.rst", rules))
    named |= {
        f"{PAPERS[paper]}_{item}"
        for paper, item in re.findall(r'(\w+)_(?:report|seed_figures)\(\s*"(\w+)"', rules)
        if paper in PAPERS
    }
    named |= set(re.findall(r"report/(\w+)\.rst", (ROOT / "Snakefile").read_text()))
    assert {path.stem for path in CAPTIONS} == named
