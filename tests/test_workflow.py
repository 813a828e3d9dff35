"""The whole workflow in small: what it makes, and what makes which part of it run again."""

import csv
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from project_copy import TINY, ProjectCopy

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

CALM = ("--max-jobs-per-timespan", "1000/5s")  # for many short jobs, see the Makefile
RESULTS = "results/kindel2019"
LURZ = "results/lurz2021"
POGONCHEFF = "results/pogoncheff2023"
# Of numbers of parameters and settings, and of published distributions: no simulated data enter.
FACTS = tuple(
    f"pogoncheff2023.{item}." for item in ("parameters", "training", "ceiling", "ringach2002")
)
LN = "results/kindel2019_simulated/kindel2019_ln"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> ProjectCopy:
    """A copy in which everything has run once."""
    project = ProjectCopy(tmp_path_factory.mktemp("finished"))
    done = project.snakemake(*CALM, settings=(TINY,))
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> ProjectCopy:
    """A copy in which nothing has run."""
    return ProjectCopy(tmp_path_factory.mktemp("fresh"))


@contextmanager
def edited(path: Path) -> Iterator[None]:
    """For a while, a file has one comment more."""
    before = path.read_text()
    path.write_text(before + "\n# One comment more.\n")
    try:
        yield
    finally:
        path.write_text(before)


def models_of(outputs: list[str]) -> set[str]:
    """The models in paths such as results/{dataset}/{model}/scores.csv."""
    return {output.split("/")[2] for output in outputs}


def test_every_figure_has_its_picture_its_page_and_its_numbers(finished):
    figures = sorted((finished.run / RESULTS).rglob("*.png"))
    assert {figure.name.split("_")[0] for figure in figures} >= {f"k{n}" for n in range(3, 13)}
    assert {figure.parent.name for figure in figures} >= {"k1_training", "k2_pearson_bars"}
    burg = sorted((finished.run / "results/burg2021").glob("*.png"))
    assert {figure.stem.split("_")[0] for figure in burg} >= {"f3", "f5a", "f5b", "f5c", "f5d"}
    assert {figure.stem.split("_")[0] for figure in burg} >= {"f7a", "f7b", "f7c", "f7d"}
    assert {figure.stem for figure in burg} >= {"f_coi", "f_readout", "recovery"}
    lurz = sorted((finished.run / LURZ).rglob("*.png"))
    curves = {"fig3_direct", "fig4_transfer", "fig5_animals", "fig5_direct_variants"}
    assert {figure.parent.name for figure in lurz} >= curves | {"readout_positions"}
    assert {figure.stem for figure in lurz} >= {"ablation", "fig1_collections"}
    pogoncheff = sorted((finished.run / POGONCHEFF).glob("*.png"))
    of_scores = {"p1_properties", "p4_alignment", "p4_severities", "p7_training"}
    learned = {"p5_components", "p6_activating_images"}
    assert {figure.stem for figure in pogoncheff} >= of_scores | learned
    figures += burg + lurz + pogoncheff
    for figure in figures:
        assert figure.read_bytes().startswith(b"\x89PNG")
        assert figure.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        with figure.with_suffix(".csv").open() as table:
            assert len(list(csv.DictReader(table))) > 0


def test_every_row_about_simulated_data_says_so(finished):
    """Published values stand without a kind where there is nothing of ours beside them."""
    kinds = set()
    for path in (finished.run / "results").rglob("*.csv"):
        with path.open() as table:
            rows = csv.DictReader(table)
            if "source_kind" in rows.fieldnames:
                kinds |= {
                    row["source_kind"]
                    for row in rows
                    if row.get("ours") != "" and not row.get("id", "").startswith(FACTS)
                }
    assert kinds == {"simulated"}


def test_nothing_is_left_half_written_or_in_unexpected_places(finished):
    assert not [path for path in finished.run.rglob("*") if ".part" in path.name]
    places = {path.name for path in finished.run.iterdir()}
    assert places == {"data", "results", "logs", ".snakemake"}


def test_a_second_run_has_nothing_to_do(finished):
    done = finished.snakemake("--dry-run", settings=(TINY,))
    assert "Nothing to be done" in done.stdout
    assert finished.planned(settings=(TINY,)) == {}


def test_touching_the_code_or_moving_the_project_reruns_nothing(finished, tmp_path):
    moved = ProjectCopy(tmp_path / "elsewhere", of=finished.root)
    for path in (moved.root / "scripts").rglob("*.py"):
        os.utime(path)
    assert moved.planned(settings=(TINY,)) == {}


def test_a_changed_parameter_reruns_its_model_and_what_follows(finished):
    change = {"models": {"kindel2019_ln": {"training": {"learning_rate": 2.0e-4}}}}
    planned = finished.planned(settings=(TINY, change))
    assert models_of(planned.pop("train_responses")) == {"kindel2019_ln"}
    assert models_of(planned.pop("predict")) == {"kindel2019_ln"}
    assert models_of(planned.pop("score")) == {"kindel2019_ln"}
    assert {"kindel2019_k7_models", "compare_with_paper", "collect_claims"} <= set(planned)
    untouched = {"simulate_kindel2019", "preprocess_kindel2019", "fit_regression"}
    assert not (untouched | {"kindel2019_k1_training", "preferred_images"}) & set(planned)


def test_more_seeds_train_only_the_new_ones(finished):
    change = {"papers": {"kindel2019": {"runs": {"main": {"seeds": 4}}}}}
    planned = finished.planned(settings=(TINY, change))
    blocks = {path.split("/")[3] for path in planned["train_responses"] + planned["fit_regression"]}
    assert blocks == {"seeds2-2", "seeds3-3", "seeds2-3"}


@pytest.mark.parametrize(
    ("module", "reruns", "keeps"),
    [
        ("metrics", {"score", "kindel2019_kt2_overall"}, {"fit_regression", "predict"}),
        ("plotting", {"kindel2019_k4_population"}, {"train_responses", "predict", "score"}),
        ("training", {"train_responses"}, {"fit_regression", "preprocess_kindel2019"}),
        ("models/kindel2019_regression", {"fit_regression", "score"}, {"train_responses"}),
        ("simulation/population", {"simulate_kindel2019"}, {"download"}),
    ],
)
def test_an_edited_module_reruns_what_depends_on_it(finished, module, reruns, keeps):
    with edited(finished.root / "scripts" / "v1lib" / f"{module}.py"):
        planned = set(finished.planned(settings=(TINY,)))
    assert reruns <= planned
    assert not keeps & planned
    assert finished.planned(settings=(TINY,)) == {}


def test_the_same_seed_gives_the_same_network_and_another_does_not(finished):
    checkpoint = f"{LN}/seeds0-1/checkpoint.pt"
    predictions = f"{LN}/seeds0-1/predictions.npz"
    before = [(finished.run / path).read_bytes() for path in (checkpoint, predictions)]
    again = finished.snakemake(
        *(checkpoint, predictions, "--forcerun", "train_responses"), settings=(TINY,)
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "rule train_responses" in again.stdout + again.stderr
    assert [(finished.run / path).read_bytes() for path in (checkpoint, predictions)] == before
    with np.load(finished.run / predictions) as block:
        first, second = block["predictions"]
    assert not np.array_equal(first, second)


def test_a_network_trained_by_the_job_of_a_group_is_that_of_a_job_of_its_own(finished):
    """The demo trains both models by one job."""
    apart = {"compute": {"together": {"layers": []}}}
    models = [f"results/kindel2019_simulated/kindel2019_cnn_{n}" for n in ("1layer", "3layers")]
    files = [f"{model}/seeds0-0/checkpoint.pt" for model in models]
    assert (finished.run / "logs/train_together/kindel2019_simulated/layers.log").is_file()
    before = [(finished.run / path).read_bytes() for path in files]
    again = finished.snakemake(*files, "--forcerun", "train_responses", settings=(TINY, apart))
    assert again.returncode == 0, again.stdout + again.stderr
    assert (again.stdout + again.stderr).count("rule train_responses:") == 2
    assert [(finished.run / path).read_bytes() for path in files] == before


def test_the_report_holds_every_figure_with_its_caption(finished):
    done = finished.snakemake("--report", "report.zip", settings=(TINY,))
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(finished.run / "report.zip") as report:
        names = {Path(name).name for name in report.namelist()}
    (finished.run / "report.zip").unlink()
    captions = {path.stem for path in (finished.root / "report").glob("*.rst")}
    items = {re.sub(r"^[a-z]+\d{4}_", "", name) for name in captions}
    items -= {"workflow", "k1_training", "k2_pearson_bars", "f7_pools"}
    items -= {path.parent.name for path in (finished.run / LURZ).glob("*/animals.png")}
    items |= {"f7_pool3", "f7c_pool5", "f7d_pool7"}  # one caption for three sizes
    assert not {item for item in items if not {f"{item}.png", f"{item}.csv"} & names}


def test_one_figure_asks_for_no_more_than_it_needs(fresh):
    planned = fresh.planned(f"{RESULTS}/k1_training/session01_seed0.png")
    assert models_of(planned["train_responses"]) == {"kindel2019_cnn"}
    assert "fit_regression" not in planned


def test_the_reproduction_is_planned_without_data_network_or_gpu(fresh):
    planned = fresh.planned("kindel2019", demo=False)
    assert planned["download"] == ["data/raw/kindel2019/data.tar.gz"]
    assert len(planned["kindel2019_k1_training"]) == 10 * 7 * 3


def test_a_damaged_raw_file_is_named_and_leaves_nothing_behind(fresh):
    archive = fresh.run / "data/raw/kindel2019/data.tar.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"half of a download")
    done = fresh.snakemake("data/processed/kindel2019.npz", demo=False)
    assert done.returncode != 0
    log = (fresh.run / "logs/preprocess_kindel2019/kindel2019.log").read_text()
    assert "data/raw/kindel2019/data.tar.gz" in log
    files = {path for path in (fresh.run / "data").rglob("*") if path.is_file()}
    assert files == {archive}
