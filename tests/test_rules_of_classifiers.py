"""Which images classifiers are scored on, and what their figures need, as Snakemake plans it."""

import re

import pytest

from project_copy import ProjectCopy

pytestmark = pytest.mark.workflow

PLAIN, OTHERS = "results/objects_simulated", "results/objects_simulated_others"
SINGLE = "pogoncheff2023_resnet50"
TUNED = "pogoncheff2023_resnet50_finetuned"
TARGETS = [f"{PLAIN}/{SINGLE}/accuracies.csv", f"{OTHERS}/{TUNED}/accuracies.csv"]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> ProjectCopy:
    return ProjectCopy(tmp_path_factory.mktemp("rules"))


def scored_on(project, *settings):
    """Data sets that each target of ``TARGETS`` takes."""
    done = project.snakemake(*TARGETS, "--dry-run", settings=settings, demo=False)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    found = {}
    for block in text.split("rule score_classifier:")[1:]:
        inputs, output = (
            re.search(rf"{name}: (.*)", block)[1].split(", ") for name in ("input", "output")
        )
        found[output[0]] = [name for name in inputs if name.startswith("data/")]
    return found


def test_corrupted_images_are_those_of_the_classes_that_were_learned(project):
    clean, others = "data/processed/objects_simulated", "data/processed/objects_simulated_others"
    assert scored_on(project) == {
        TARGETS[0]: [clean, "data/processed/objects_simulated_corrupted"],
        TARGETS[1]: [others],
    }
    corrupted = {"like": "objects_simulated_corrupted", "source": "objects_simulated_others"}
    corrupted |= {"settings": {"of": "objects_simulated_others"}}
    tuned = {
        "datasets": {"others_corrupted": corrupted},
        "papers": {
            "pogoncheff2023": {
                "corrupted": "others_corrupted",
                "finetuned": {"ResNet-50": TUNED},
            }
        },
    }
    assert scored_on(project, tuned) == {
        TARGETS[0]: [clean],
        TARGETS[1]: [others, "data/processed/others_corrupted"],
    }


def test_figures_of_components_ask_for_networks_that_have_them(project):
    figures = [
        f"results/pogoncheff2023/{name}.png" for name in ("p5_components", "p6_activating_images")
    ]
    planned = project.planned(*figures, demo=False)
    with_components = {path.split("/")[2] for path in planned["export_components"]}
    assert {"pogoncheff2023_tuned_norm", "pogoncheff2023_composite_a"} < with_components
    assert not with_components & {SINGLE, "pogoncheff2023_local_rf", "pogoncheff2023_composite_f"}
    activated = {path.split("/")[2] for path in planned["activating_images"]}
    assert SINGLE in activated and "pogoncheff2023_local_rf" in activated
