"""Mistakes in the configuration are found before any job, all at once, and by name."""

from pathlib import Path

import pytest
import yaml

from project_copy import ProjectCopy

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return ProjectCopy(tmp_path_factory.mktemp("project"))


def said(project, *settings):
    done = project.snakemake("-n", settings=settings)
    assert done.returncode != 0
    assert not list(project.run.rglob("*.csv"))
    return done.stdout + done.stderr


def test_wrong_keys_and_values_are_listed_together(project):
    text = said(
        project,
        {
            "mirors": [],
            "models": {
                "kindel2019_cnn": {"training": {"learning_rate": -1, "bach_size": 3}},
                "kindel2019_ridge": {"training": {"alphas": ["1e5"]}},
            },
            "compute": {"device": "gpu"},
        },
    )
    assert "The configuration has 5 mistake(s)" in text
    assert "top level: Additional properties are not allowed ('mirors' was unexpected)" in text
    assert "models.kindel2019_cnn.training.learning_rate: -1 is less than or equal" in text
    assert "('bach_size' was unexpected); allowed are adversary, alphas, augm" in text
    assert "write a point and a sign as in 1.0e+5" in text
    assert "compute.device: 'gpu' is not one of ['auto', 'cuda', 'cpu']" in text


def test_names_that_point_nowhere_are_listed_together(project):
    text = said(
        project,
        {
            "datasets": {"kindel2019_simulated": {"source": "kindel2020"}},
            "models": {
                "kindel2019_cnn": {"params": {"dropout": 0.5}},
                "kindel2019_lnln": {"build": "kindel2019.lnlnl"},
            },
            "compute": {
                "seeds_per_job": {"kindel2019_ridge": 3},
                "together": {
                    "kindel2019_ln": ["kindel2019_cnn", "kindel2019_rige"],
                    "more": ["kindel2019_ridge", "kindel2019_cnn"],
                    "waiting": ["lurz2021_core", "lurz2021_transfer_11s"],
                    "nowhere": ["kindel2019_lnln", "lurz2021_direct"],
                    "dissolved": [],
                },
            },
            "papers": {
                "burg2021": {
                    "roles": {"subunit": "kindel2019_lnln"},
                    "recovery_roles": {"specific": "kindel2019_ln"},
                }
            },
        },
    )
    assert "datasets.kindel2019_simulated.source: 'kindel2020' is no source" in text
    assert "models.kindel2019_cnn.params.dropout: not a parameter of kindel2019.cnn" in text
    # What is taken from that entry has the mistake too.
    assert "models.kindel2019_cnn_1layer.params.dropout: not a parameter" in text
    assert "models.kindel2019_lnln.build: 'kindel2019.lnlnl' names no function" in text
    assert (
        "papers.burg2021.roles.subunit: 'kindel2019_lnln' is in none of papers.burg2021.runs"
        in (text)
    )
    assert "papers.burg2021.recovery_roles.specific: 'kindel2019_ln' is in none of" in text
    assert "2 is no multiple of compute.seeds_per_job of kindel2019_ridge (3)" in text
    together = "compute.together"
    assert f"{together}.kindel2019_ln: a model is called so" in text
    assert f"{together}.kindel2019_ln: 'kindel2019_rige' is no model; there are [" in text
    assert f"{together}: 'kindel2019_cnn' is in several groups" in text
    assert f"{together}.nowhere: there is no data set that runs train all of ['kin" in text
    assert f"{together}.dissolved" not in text
    waits = "'lurz2021_transfer_11s' waits for 'lurz2021_core' (core), so they cannot share a job"
    assert f"{together}.waiting: {waits}" in text


def test_names_outside_of_runs_and_networks_that_no_run_trains_are_listed_together(project):
    text = said(
        project,
        {
            "evaluation": {
                "v1": {
                    "neurons": {"dataset": "lurz2020_simulated"},
                    "cells": {"dataset": "objects_simulated"},
                }
            },
            "papers": {
                "kindel2019": {"dataset": "kindel2020", "search_dataset": "elsewhere"},
                "pogoncheff2023": {
                    "corrupted": "cadena2019",
                    "alexnet": {"source": "alexnat"},
                    "finetuned": {
                        "ResNet-50": "pogoncheff2023_resnet50_tuned",
                        "B": "kindel2019_cnn",
                        "H": "pogoncheff2023_composite_b_finetuned",
                    },
                },
            },
        },
    )
    pogoncheff = "papers.pogoncheff2023"
    for mistake in (
        "papers.kindel2019.dataset: 'kindel2020' is no data set; there are ['cadena2019', ",
        "papers.kindel2019.search_dataset: 'elsewhere' is no data set; there are [",
        f"{pogoncheff}.corrupted: 'cadena2019' is no data set of labelled images; there are ['im",
        f"{pogoncheff}.alexnet.source: 'alexnat' is no source with files; there are ['alexnet', ",
        f"{pogoncheff}.finetuned.ResNet-50: 'pogoncheff2023_resnet50_tuned' is no model",
        f"{pogoncheff}.finetuned.ResNet-50: 'pogoncheff2023_resnet50_tuned' is in none of",
        f"{pogoncheff}.finetuned.B: 'kindel2019_cnn' is in none of {pogoncheff}.runs",
        f"{pogoncheff}.finetuned: 'H' is no label of a network; there are ['A', 'A, adversarial'",
        "evaluation.v1.neurons.dataset: 'lurz2020_simulated' is no data set of one recording; ",
        "evaluation.v1.cells.dataset: 'objects_simulated' is a data set; these cells need",
    ):
        assert mistake in text
    assert "The configuration has 10 mistake(s)" in text


def test_robustness_of_finetuned_networks_needs_some(project):
    settings = {"papers": {"pogoncheff2023": {"robustness_of": "finetuned"}}}
    done = project.snakemake("-n", settings=(settings,), demo=False)
    assert done.returncode != 0
    message = "papers.pogoncheff2023.finetuned: none, but papers.pogoncheff2023.robustness_of is"
    assert message in done.stdout + done.stderr


def test_what_needs_a_source_that_is_off_is_left_out_with_a_line(project):
    done = project.snakemake("-n", "--quiet", "rules")
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    (line,) = (line for line in text.splitlines() if "because source vgg16 is switched off" in line)
    assert "left out: kindel2019_vgg_conv3_2, " in line and "lurz2021_vgg16" in line
    assert "sources.vgg16.use: true includes it" in done.stdout + done.stderr


def test_asking_for_it_by_name_is_an_error_with_the_terms(project):
    target = "results/kindel2019_simulated/kindel2019_vgg_conv3_2/scores.csv"
    done = project.snakemake(target, "-n")
    assert done.returncode != 0
    text = done.stdout + done.stderr
    assert "source vgg16 is switched off (BSD-3-Clause weights" in text
    assert "sources.vgg16.use: true includes it. Please cite: Simonyan & Zisserman" in text


def test_a_paper_without_its_recordings_is_left_out_and_refused_by_name(project):
    real = {
        "classes": "",
        "pool3": "_crop20",
        "pool5": "_crop10",
        "pool7": "_crop0",
        "baselines": "",
    }
    runs = {name: {"dataset": f"cadena2019{crop}"} for name, crop in real.items()}
    settings = {"papers": {"burg2021": {"dataset": "cadena2019", "runs": runs}}}
    done = project.snakemake("-n", "--quiet", "rules", settings=(settings,))
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert "left out: everything of burg2021, because source cadena2019 is switched off" in text
    for target in ("burg2021", "data/processed/cadena2019.npz"):
        done = project.snakemake(target, "-n", settings=(settings,))
        assert done.returncode != 0
        text = done.stdout + done.stderr
        assert "source cadena2019 is switched off (CC BY-NC-ND 4.0; the authors ask you" in text
        assert "sources.cadena2019.use: true includes it. Please cite: Cadena, Denfield" in text


def test_every_number_of_the_original_flags_has_its_key():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    cnn = config["models"]["kindel2019_cnn"]
    split = cnn["training"]["split"]
    assert split["train_fraction"] == 2 / 3
    assert split["validation_fraction"] == 1 / 7
    layers = {"filters", "kernel", "pool_kernel", "pool_stride"}
    assert set(cnn["params"]["conv1"]) == set(cnn["params"]["conv2"]) == layers
    assert {"num_conv_layers", "hidden_units", "hidden2_units", "dropout_keep"} < set(cnn["params"])
    assert {"learning_rate", "max_steps", "batch_size"} < set(cnn["training"])
    output = config["papers"]["kindel2019"]["output"]
    assert set(output) == {"dir", "save_results", "save_training_record", "save_network"}


def test_the_demo_exercises_whatever_the_configuration_has(project):
    whole = yaml.safe_load((ROOT / "config.yaml").read_text())
    demo = yaml.safe_load((ROOT / "demo/config.yaml").read_text())
    trained = set()
    for paper, entry in whole["papers"].items():
        runs = entry["runs"]
        trained |= {model for run in runs.values() for model in run["models"]}
        # Of a paper on real data the demo replaces these; else it shrinks the simulated ones.
        is_simulated = "simulated" in entry["dataset"]
        shown = {n for n, run in runs.items() if ("simulated" in run["dataset"]) == is_simulated}
        assert shown <= set(demo["papers"][paper]["runs"]) <= set(runs)
        assert all("models" not in run for run in demo["papers"][paper]["runs"].values())
    assert trained == set(whole["models"])
