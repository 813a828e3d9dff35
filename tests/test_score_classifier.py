"""Accuracies of classifiers on clean and on corrupted images."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import score_classifier
from made_up_classifiers import (
    CORRUPTIONS,
    model_with,
    pictures,
    train,
    write_clean,
    write_corrupted,
    write_images,
)
from v1lib import classifiers
from v1lib.classifiers import count_correct
from v1lib.files import read_csv
from v1lib.labelled_images import Part
from v1lib.steps import parser_of


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_clean(tmp_path_factory.mktemp("images") / "set")


@pytest.fixture(scope="module")
def blocks(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("blocks")
    model = model_with()
    return [
        train(images, folder / "seeds2-3", model, (2, 3)),
        train(images, folder / "seeds0-1", model, (0, 1)),
    ]


def score(images, blocks, folder, corrupted=()):
    accuracies = folder / "accuracies.csv"
    score_classifier.main(
        images=images,
        checkpoints=blocks,
        corrupted=list(corrupted),
        accuracies=accuracies,
        device="cpu",
        threads=1,
        gpu=0,
    )
    return read_csv(accuracies, required=score_classifier.COLUMNS)


def test_every_seed_is_scored_on_every_kind_of_images(images, blocks, tmp_path):
    corrupted = write_corrupted(tmp_path / "corrupted")
    table = score(images, blocks, tmp_path, [corrupted])
    assert list(table) == list(score_classifier.COLUMNS)
    table["corruption"] = table["corruption"].fillna("")
    parts = table["corruption"] + "-" + table["severity"].astype(str)
    assert parts.tolist() == [name for name in ("-0", *CORRUPTIONS) for _ in range(4)]
    assert table["seed"].tolist() == [0, 1, 2, 3] * 5
    is_clean = table["corruption"] == ""
    assert (table["evaluated_on"] == np.where(is_clean, "toy", "toy_corrupted")).all()
    assert (table["generated"] == ~is_clean).all()
    assert set(table["n_images"]) == {24}
    assert set(table[["dataset", "model", "source_kind"]].agg("/".join, axis=1)) == {
        "toy/model/simulated"
    }
    # Severity 1 changed nothing, severity 3 left grey images, of which a third has the right class.
    by_part = table.assign(part=parts).groupby("part")["top1"].apply(list)
    assert by_part["fog-1"] == by_part["gaussian_noise-1"] == by_part["-0"]
    assert by_part["fog-3"] == pytest.approx([1 / 3] * 4)


def test_models_that_share_a_job_are_scored_as_alone(images, blocks, tmp_path):
    other = train(images, tmp_path / "other", model_with({"max_epochs": 1}), (1,), name="other")
    together = score(images, [other, *blocks], tmp_path)
    assert together["model"].tolist() == ["other", *["model"] * 4]
    assert together["seed"].tolist() == [1, 0, 1, 2, 3]
    alone = [score(images, found, tmp_path)["top1"].tolist() for found in ([other], blocks)]
    assert together["top1"].tolist() == [*alone[0], *alone[1]]


def test_clean_accuracy_is_that_of_the_training(images, blocks, tmp_path):
    table = score(images, blocks, tmp_path)
    records = [r for path in blocks for r in json.loads((path.parent / "run.json").read_text())]
    kept = {record["seed"]: record["best_validation_accuracy"] for record in records}
    assert table.set_index("seed")["top1"].to_dict() == pytest.approx(kept)
    assert max(kept.values()) > 0.5  # they have learned something


class LooksUp(nn.Module):
    """Answers with the class that is written into the first pixel of an image."""

    def __init__(self, n_classes, *, silent=False):
        super().__init__()
        self.n_classes, self.silent = n_classes, silent

    def forward(self, images):
        label = ((images[:, 0, 0, 0] + 1) * 127.5).round().long()
        logits = nn.functional.one_hot(label, self.n_classes).float()
        return torch.full_like(logits, torch.nan) if self.silent else logits


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_right_answers_are_counted_whatever_the_batches(at_once, monkeypatch):
    monkeypatch.setattr(classifiers, "IMAGES_AT_ONCE", at_once)
    images = np.zeros((10, 8, 8, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(10) % 5
    labels = np.where(np.arange(10) < 7, np.arange(10) % 5, 4)  # images 7 and 8 have others
    seen = []
    networks = [LooksUp(5), LooksUp(5, silent=True)]
    cpu = torch.device("cpu")
    found = count_correct(networks, Part(images, labels), cpu, advance=seen.append)
    assert found.tolist() == [8, 0]
    assert sum(seen) == 10 and max(seen) == min(at_once, 10)


def test_images_of_other_classes_are_refused(images, blocks, tmp_path):
    others = write_corrupted(tmp_path / "others", classes=("red", "blue", "green"))
    with pytest.raises(ValueError, match="others has others: class 1 is blue, but green in data"):
        score(images, blocks, tmp_path, [others])
    two = {"fog-1": (pictures(2, 0)[0], [0, 1])}
    fewer = write_images(tmp_path / "fewer", two, classes=("red", "green"))
    with pytest.raises(ValueError, match="class 2 is missing, but blue in data set toy"):
        score(images, blocks, tmp_path, [fewer])
    renamed = write_clean(tmp_path / "renamed", classes=("amber", "green", "blue"))
    with pytest.raises(ValueError, match=r"checkpoint\.pt was trained on others: class 0 is red"):
        score(renamed, blocks, tmp_path)


def test_images_that_do_not_fit_are_refused(images, blocks, tmp_path):
    unnamed = write_images(tmp_path / "unnamed", {"validation": pictures(3, 0)})
    with pytest.raises(ValueError, match=r"part 'validation' is not named <corruption>-<severity>"):
        score(images, blocks, tmp_path, [unnamed])
    small, labels = pictures(3, 0)
    small = write_images(tmp_path / "small", {"fog-1": (small[:, :16, :16], labels)})
    with pytest.raises(ValueError, match=r"part fog-1: images have shape \(16, 16, 3\)"):
        score(images, blocks, tmp_path, [small])


def test_checkpoints_without_classifiers_are_refused(images, blocks, tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"checkpoint\.pt: not a readable checkpoint"):
        score(images, [path], tmp_path)
    about = {"dataset": "toy", "model": "toy", "source_kind": "real", "background": None}
    about |= {"stimulus_shape": [3, 32, 32], "members": []}
    torch.save(about | {"classes": None}, path)
    with pytest.raises(ValueError, match="predict neurons, not classes"):
        score(images, [path], tmp_path)
    torch.save(about | {"classes": ["red", "green", "blue"]}, path)
    with pytest.raises(ValueError, match="no network of model toy was trained"):
        score(images, [*blocks, path], tmp_path)


def test_results_on_simulated_images_are_simulated(images, blocks, tmp_path):
    real = write_clean(tmp_path / "real", source_kind="real")
    corrupted = write_corrupted(tmp_path / "corrupted", generated=False)
    table = score(real, blocks, tmp_path, [corrupted])
    assert not table["generated"].any()
    kinds = table.groupby("evaluated_on")["source_kind"].unique().apply(list)
    assert kinds.to_dict() == {"toy": ["real"], "toy_corrupted": ["simulated"]}


def test_the_step_has_a_command_line():
    assert "--corrupted" in parser_of(score_classifier.main, "score_classifier").format_help()
