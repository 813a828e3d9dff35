"""Which images classifiers are scored on, and what their figures need, as Snakemake plans it."""

import json
import re
from pathlib import Path

import pytest
import yaml

from project_copy import ROOT, ProjectCopy
from v1lib.files import read_csv
from v1lib.pogoncheff2023_profile import differs_from_paper

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
                "robustness_of": "finetuned",
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


def test_networks_that_are_together_share_their_files(project):
    together = [SINGLE, "pogoncheff2023_tuned_norm"]
    settings = {"compute": {"together": {"some": together}}}
    tables = [f"results/pogoncheff2023/{name}.csv" for name in ("p1_properties", "p4_robustness")]
    planned = project.planned(*tables, settings=[settings], demo=False)
    for rule, file in (
        ("measure_v1_properties", "v1_units.csv"),
        ("score_v1_properties", "v1_scores.csv"),
        ("predict_neurons", "predictivity.csv"),
        ("score_classifier", "accuracies.csv"),
    ):
        evaluated = [path.split("/")[2] for path in planned[rule] if path.endswith(file)]
        assert "some" in evaluated and len(evaluated) == 15, rule
        assert not set(together) & set(evaluated), rule
    alone = project.planned(f"{PLAIN}/{SINGLE}/v1_scores.csv", settings=[settings], demo=False)
    assert f"{PLAIN}/{SINGLE}/v1_scores.csv" in alone["score_v1_properties"]
    # A group without models is none.
    settings["compute"]["together"]["some"] = []
    planned = project.planned(tables[0], settings=[settings], demo=False)
    assert f"{PLAIN}/{SINGLE}/v1_scores.csv" in planned["score_v1_properties"]
    assert set(map(model_of, planned["train_responses"])) >= {SINGLE}


def test_a_group_is_trained_by_one_job_with_the_options_of_all(project):
    """Each model with the very words of its own jobs."""
    together = [SINGLE, "pogoncheff2023_tuned_norm"]
    targets = [f"{PLAIN}/{model}/seeds1-1/history.csv" for model in together]
    settings = {"compute": {"together": {"some": together}}}
    line = f"train_some_on_{Path(PLAIN).name}"
    shared = planned_in_full(project, settings, targets=targets)
    assert set(shared) >= {line} and "train_responses" not in shared
    [job] = shared[line]
    seeds = [f"seeds{seed}-{seed}" for seed in range(3)]
    files = [f"{PLAIN}/{model}/{block}/history.csv" for model in together for block in seeds]
    alone = planned_in_full(project, targets=files)["train_responses"]
    calls = [calls_in(block) for block in alone]
    assert len(calls) == 6 and all(len(found) == 1 for found in calls)
    threads, gpu = re.search(r"threads=(\d+) gpu=(\d+); python", job).groups()
    words = [call.replace("$threads", threads).replace("$gpu", gpu) for call in calls_in(job)]
    assert sorted(words) == sorted(found[0] for found in calls)
    outputs = re.search(r"output: (.*)", job)[1].split(", ")
    assert sorted(outputs) == sorted(
        path for block in alone for path in re.search(r"output: (.*)", block)[1].split(", ")
    )


def test_networks_that_are_shown_other_corrupted_images_cannot_share_a_job(project):
    tuned = {
        "compute": {"together": {"some": [SINGLE, "pogoncheff2023_tuned_norm"]}},
        "papers": {
            "pogoncheff2023": {"finetuned": {"ResNet-50": SINGLE}, "robustness_of": "finetuned"}
        },
    }
    done = project.snakemake(f"{PLAIN}/some/accuracies.csv", "-n", settings=[tuned], demo=False)
    assert done.returncode != 0
    assert "compute.together.some: {" in done.stdout + done.stderr


def calls_in(block):
    """Options of each call of the step in a job that would run."""
    words = re.search(r"scripts train_responses (.*) > ", block)[1]
    return [" ".join(call.split()) for call in words.split(" -- ")]


def model_of(path):
    return path.split("/")[2]


def profile(name, folder="pogoncheff2023"):
    return yaml.safe_load((ROOT / "docs" / folder / f"{name}.yaml").read_text())


def planned_in_full(project, *settings, targets=("pogoncheff2023",), demo=False):
    """Blocks of text about the jobs that would run, by rule."""
    options = ("--dry-run", "--printshellcmds")
    done = project.snakemake(*targets, *options, settings=settings, demo=demo)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for block in re.split(r"^\[.*\]$\n", done.stdout + done.stderr, flags=re.MULTILINE)[1:]:
        if rule := re.match(r"(?:local)?rule (\w+):", block):
            found.setdefault(rule[1], []).append(block)
    return found


def output_of(block):
    """Data set and model of a job's first output."""
    return tuple(re.search(r"output: (\S+)", block)[1].split("/")[1:3])


def trained(jobs):
    """Entry of the model by data set and model, of all trainings."""
    found = {}
    for rule, blocks in jobs.items():
        for call in [
            call for block in blocks if rule.startswith("train_") for call in calls_in(block)
        ]:
            dataset = re.search(r"--recording data/processed/(\S+)", call)[1]
            model = re.search(r"--name (\S+)", call)[1]
            found[dataset, model] = json.loads(re.search(r"--model '(.*?)' --", call)[1])
    return found


def test_paper_profile_tunes_every_network_to_the_classes_of_the_corrupted_images(project):
    jobs = planned_in_full(project, profile("paper"))
    models = trained(jobs)
    first = {model for dataset, model in models if dataset == "imagenet"}
    assert len(first) == 16 and len(jobs["train_responses"]) == 2 * 16 * 3
    tuned = {("tiny_imagenet", f"{model}_finetuned") for model in first}
    assert set(models) == {("imagenet", model) for model in first} | tuned
    assert {output_of(block) for block in jobs["score_classifier"]} == tuned
    corrupted = "data/processed/tiny_imagenet_corrupted"
    assert all(corrupted in block for block in jobs["score_classifier"])
    for (dataset, model), entry in models.items():
        whole = dataset == "tiny_imagenet"
        crop = entry["training"]["augmentation"]["crop"]
        assert (crop is None) if whole else (crop["through_px"] == 224)
        assert entry["params"]["frozen"] is whole
        if whole:
            core = {"dataset": "imagenet", "model": model.removesuffix("_finetuned")}
            assert entry["core"] == core | {"same": ["seed"]}
            assert not entry["training"].get("adversary")
    classes = """--n-classes '{"imagenet": 1000, "tiny_imagenet": 200}'"""
    for item in ("p4_alignment", "p4_robustness", "p4_severities", "p7_accuracy", "p7_training"):
        assert classes in jobs[f"pogoncheff2023_{item}"][0]
    [curves] = jobs["pogoncheff2023_p7_training"]
    tuned_curves = curves.partition('["fine-tuned", ')[2]
    assert '["ResNet-50", "pogoncheff2023_resnet50_finetuned"]' in tuned_curves
    assert "results/tiny_imagenet/pogoncheff2023_resnet50_finetuned/seeds0-0/history.csv" in curves
    assert all("mem_mb=24000" in block for block in jobs["train_responses"])
    assert all("runtime=7200" in block for block in jobs["train_responses"])


def test_profile_of_tiny_imagenet_tests_networks_on_the_classes_they_were_trained_on(project):
    jobs = planned_in_full(project, profile("tiny_imagenet"))
    models = trained(jobs)
    assert {dataset for dataset, _ in models} == {"tiny_imagenet"}
    assert len(models) == 16 and len(jobs["train_responses"]) == 16 * 3
    assert {output_of(block) for block in jobs["score_classifier"]} == set(models)
    corrupted = "data/processed/tiny_imagenet_corrupted"
    assert all(corrupted in block for block in jobs["score_classifier"])
    # The same picture sizes as drawn objects: mirrored, not cropped.
    augmentations = [entry["training"]["augmentation"] for entry in models.values()]
    assert all(found == {"crop": None, "flip": 0.5} for found in augmentations)
    assert all("mem_mb=4000" in block for block in jobs["train_responses"])


def test_run_on_20_classes_crops_the_pictures_of_all_networks(project):
    target = "results/pogoncheff2023/p7_accuracy.csv"
    settings = profile("config", "results/pogoncheff2023")
    models = trained(planned_in_full(project, settings, targets=(target,)))
    assert {dataset for dataset, _ in models} == {"tiny_imagenet_subset"} and len(models) == 16
    crops = [entry["training"]["augmentation"]["crop"] for entry in models.values()]
    assert all(crop == crops[0] for crop in crops)
    assert set(crops[0]) == {"scale", "aspect", "through_px"} and crops[0]["through_px"] is None


def test_demo_tunes_two_networks_whose_accuracy_is_in_p7(project):
    table = "results/pogoncheff2023/p7_accuracy.csv"
    jobs = planned_in_full(project, targets=(table,), demo=True)
    tuned = {model for dataset, model in trained(jobs) if dataset == "objects_simulated_others"}
    assert tuned == {TUNED, "pogoncheff2023_composite_a_finetuned"}
    [drawn] = jobs["pogoncheff2023_p7_accuracy"]
    assert '["ResNet-50, fine-tuned", "pogoncheff2023_resnet50_finetuned"]' in drawn
    assert f"{OTHERS}/{TUNED}/seeds0-1/history.csv" in drawn
    assert "score_classifier" not in jobs
    without = planned_in_full(project, targets=(table,))
    assert {dataset for dataset, _ in trained(without)} == {"objects_simulated"}
    [drawn] = without["pogoncheff2023_p7_accuracy"]
    assert """--n-classes '{"objects_simulated": 20}'""" in drawn


def test_the_experiment_on_cells_of_known_tuning_is_a_result_of_the_paper(project):
    """Planned with the rest of the paper, and without a network when asked for alone."""
    recovery, scores = (
        f"results/pogoncheff2023/{name}" for name in ("recovery", "v1_cells_scores")
    )
    alone = project.planned(f"{recovery}.png", f"{scores}.csv", demo=False)
    assert {rule for rule in alone if rule != "all"} == {
        *("measure_v1_cells", "recover_v1_properties", "score_v1_cells"),
        "pogoncheff2023_recovery",
    }
    planned = project.planned("pogoncheff2023")
    assert alone.keys() <= planned.keys()
    outputs = planned["pogoncheff2023_recovery"] + planned["score_v1_cells"]
    assert {f"{recovery}.{end}" for end in ("png", "pdf", "csv")} | {f"{scores}.csv"} == set(
        outputs
    )


def test_networks_are_the_papers_only_with_its_sizes_and_training(project):
    """What the rules hand on, judged as the steps do: sizes of all, training of the normal ones."""
    known = read_csv(ROOT / "report/published_values.csv").set_index("id")["value"]
    claims = ("results/pogoncheff2023/claims.csv",)

    def differs(**change):
        jobs = planned_in_full(project, profile("paper"), change, targets=claims)
        [block] = jobs["pogoncheff2023_claims"]
        assert "--least-units 10" in block
        found = json.loads(re.search(r"--profile '(.*?)' --", block)[1])
        assert len(found["sizes"]) == 16 and len(found["trainings"]) == 14
        return differs_from_paper(found, known)

    assert differs() == ""
    short = {"pogoncheff2023_composite_b": {"training": {"max_epochs": 2}}}
    assert differs(models=short).startswith("composite B is trained with epochs 2")
    small = {"pogoncheff2023_composite_a_adversarial": {"params": {"width": 16}}}
    assert differs(models=small).startswith("composite A, adversarial has blocks [3, 4, 6, 3], wi")
