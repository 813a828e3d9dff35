"""The rules that make data sets of images: from simulated, supplied and unpacked pictures."""

import pytest

from made_up_pictures import tarred, tiny_imagenet, unpacked
from project_copy import ProjectCopy
from v1lib.labelled_images import open_labelled

pytestmark = pytest.mark.workflow

SMALL = {
    "sources": {
        "objects_simulated": {
            "settings": {"n_classes": 3, "n_images": {"train": 4, "validation": 2}}
        }
    },
    "datasets": {
        "objects_simulated_corrupted": {"settings": {"corruptions": ["fog"], "severities": [1, 4]}}
    },
}
SUBSET = "data/processed/tiny_imagenet_subset"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return ProjectCopy(tmp_path_factory.mktemp("project"))


def refused(project, target, *settings):
    done = project.snakemake(target, settings=settings)
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.slow
def test_simulated_objects_and_their_corrupted_forms(project):
    targets = [f"data/processed/objects_simulated{end}" for end in ("", "_corrupted")]
    done = project.snakemake(*targets, settings=(SMALL,))
    assert done.returncode == 0, done.stdout + done.stderr
    clean, corrupted = (open_labelled(project.run / target) for target in targets)
    assert clean.dataset == "objects_simulated" and clean.source_kind == "simulated"
    assert len(clean.parts["train"]) == 12 and not clean.generated
    assert list(corrupted.parts) == ["fog-1", "fog-4"]
    assert corrupted.source_kind == "simulated" and corrupted.generated
    assert corrupted.classes == clean.classes
    assert project.planned(*targets, settings=(SMALL,)) == {}
    change = {"sources": {"objects_simulated": {"settings": {"nuisance": {"noise": 0.05}}}}}
    planned = set(project.planned(*targets, settings=(SMALL, change)))
    assert planned == {"simulate_objects", "preprocess_images", "corrupt_images"}


@pytest.mark.slow
def test_a_file_that_only_a_mirror_holds(project, tmp_path):
    text = refused(project, SUBSET)
    assert "source tiny_imagenet_subset is switched off (as tiny_imagenet: the photographs" in text
    settings = {"mirrors": [str(tmp_path)], "sources": {"tiny_imagenet_subset": {"use": True}}}
    refused(project, SUBSET, settings)
    [log] = (project.run / "logs/download/tiny_imagenet_subset").glob("*.log")
    assert "is offered nowhere for download" in log.read_text()
    assert "put the file (sha256 8b8d1962" in log.read_text()
    assert f"at {tmp_path}/tiny-imagenet-subset/tiny-imagenet-subset.tar" in log.read_text()
    # Another file of that name is not taken for it.
    (tmp_path / "tiny-imagenet-subset").mkdir()
    tarred(tmp_path / "tiny-imagenet-subset/tiny-imagenet-subset.tar", tiny_imagenet())
    refused(project, SUBSET, settings)
    assert "mirror skipped" in log.read_text()


@pytest.mark.slow
def test_an_unpacked_copy_is_read_where_it_is(project, tmp_path):
    folder = unpacked(tmp_path / "pictures", tiny_imagenet())
    settings = {
        "sources": {"tiny_imagenet_subset": {"use": True, "folder": str(folder)}},
        "datasets": {
            "tiny_imagenet_subset": {
                "settings": {"counts": {"classes": 2, "train": 6, "validation": 4}}
            }
        },
    }
    done = project.snakemake(SUBSET, settings=(settings,))
    assert done.returncode == 0, done.stdout + done.stderr
    found = open_labelled(project.run / SUBSET)
    assert found.source_kind == "real" and found.classes == ["n01", "n02"]


def test_a_corrupted_form_must_be_one_of_images_of_its_source(project):
    settings = {"datasets": {"objects_simulated_corrupted": {"settings": {"of": "tiny_imagenet"}}}}
    text = refused(project, "data/processed/objects_simulated_corrupted", settings)
    assert "settings.of: 'tiny_imagenet' is no data set of images of source objects_sim" in text


def test_a_source_without_advice_is_a_mistake(project):
    source = {
        **{"kind": "supplied", "use": False, "terms": "none", "citation": "nobody"},
        "files": {"a.tar": {"mirror": "a.tar"}},
    }
    assert "sources.new_source: " in refused(project, "all", {"sources": {"new_source": source}})
