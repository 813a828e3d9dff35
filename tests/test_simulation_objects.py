"""Drawn objects: their archive is read as the original is, and what is planted is in the images."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest

import preprocess_images
import simulate_objects
from v1lib.labelled_images import open_labelled
from v1lib.simulation.objects import OUTLINES, Painter, drawn_classes, settings_of

NUISANCE = {
    **{"radius": [0.2, 0.3], "place": 0.1, "rotation_deg": 30, "hue": 0.05, "light": 0.2},
    **{"ground": 0.1, "occluded_share": 0.3, "noise": 0.02},
}
STILL = {
    **{"radius": [0.25, 0.25], "place": 0, "rotation_deg": 0, "hue": 0, "light": 0},
    **{"ground": 0, "occluded_share": 0, "noise": 0},
}
SETTINGS = {
    **{"seed": 1, "n_classes": 5, "n_images": {"train": 6, "validation": 3}},
    **{"size_px": 64, "quality": 90, "nuisance": NUISANCE},
}


def simulate(folder, **settings):
    simulate_objects.main(
        archive=folder / "tiny-imagenet-200.zip",
        truth=folder / "truth.npz",
        settings=SETTINGS | settings,
    )
    return folder / "tiny-imagenet-200.zip"


def pack(folder, archive):
    preprocess_images.main(
        archives=[archive],
        images=folder / "packed",
        source_kind="simulated",
        dataset="objects",
        settings={"layout": "tiny_imagenet", "size_px": 64, "counts": {}},
        threads=1,
    )
    return open_labelled(folder / "packed")


def test_the_archive_is_read_like_the_original(tmp_path):
    archive = simulate(tmp_path)
    found = pack(tmp_path, archive)
    assert found.classes == [f"simulated{number:04d}" for number in range(5)]
    assert found.parts["train"].labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6
    assert len(found.parts["validation"]) == 15 and found.source_kind == "simulated"
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        top = "tiny-imagenet-200/"
        words = opened.read(f"{top}words.txt").decode().splitlines()
        boxes = opened.read(f"{top}train/simulated0002/simulated0002_boxes.txt").decode()
    assert f"{top}wnids.txt" in names and f"{top}val/val_annotations.txt" in names
    assert len(words) == 5 and all(line.endswith(", simulated") for line in words)
    for line in boxes.splitlines():
        _, left, upper, right, lower = line.split("\t")
        assert 0 <= int(left) < int(right) <= 63 and 0 <= int(upper) < int(lower) <= 63


def test_equal_settings_give_equal_bytes_and_other_seeds_other_classes(tmp_path):
    first, again = simulate(tmp_path / "1"), simulate(tmp_path / "2")
    assert first.read_bytes() == again.read_bytes()
    truths = [(tmp_path / n / "truth.npz").read_bytes() for n in "12"]
    assert truths[0] == truths[1]
    assert simulate(tmp_path / "3", seed=2).read_bytes() != first.read_bytes()


def test_more_images_leave_the_others_as_they_were(tmp_path):
    few = pack(tmp_path / "few", simulate(tmp_path / "few"))
    more = {"train": 8, "validation": 3}
    many = pack(tmp_path / "many", simulate(tmp_path / "many", n_images=more))
    first = [few.parts["train"].images[few.parts["train"].labels == label] for label in range(5)]
    again = [many.parts["train"].images[many.parts["train"].labels == k][:6] for k in range(5)]
    assert np.array_equal(first, again)


def test_the_truth_has_the_classes_and_what_varies(tmp_path):
    found = pack(tmp_path, simulate(tmp_path))
    with np.load(tmp_path / "truth.npz") as truth:
        assert truth["simulated"] and str(truth["source_kind"]) == "simulated"
        assert truth["class_name"].tolist() == found.classes
        assert set(truth["class_outline"]) <= set(OUTLINES)
        looks = zip(
            *(truth[f"class_{k}"] for k in ("outline", "texture", "arrangement")), strict=True
        )
        assert len(set(looks)) == 5
        for part in ("train", "validation"):
            assert truth[f"{part}/label"].tolist() == found.parts[part].labels.tolist()
            radius = truth[f"{part}/radius"]
            assert 0.2 <= radius.min() < radius.max() <= 0.3
            assert np.abs(truth[f"{part}/centre"] - 0.5).max() <= 0.1
        assert 0 < truth["train/covered"].mean() < 1


def still(**changes):
    """Nothing varies but what is given."""
    settings = settings_of(SETTINGS | {"n_classes": 60, "nuisance": STILL | changes})
    return Painter(settings), drawn_classes(settings)


def test_objects_are_where_they_are_said_to_be():
    painter, classes = still(place=0.2)
    plain = replace(
        next(c for c in classes if c.outline == "polygon"), arrangement="none", texture="plain"
    )
    for number in range(5):
        image, scene = painter.image(plain, "train", number)
        ground = image[0, 0].astype(int)
        row, column = np.nonzero(np.abs(image.astype(int) - ground).max(2) > 20)
        middle = np.array([row.mean(), column.mean()]) + 0.5
        assert np.abs(middle / 64 - scene.centre).max() < 0.06
        furthest = np.hypot(row + 0.5 - 64 * scene.centre[0], column + 0.5 - 64 * scene.centre[1])
        assert furthest.max() <= plain.elongation * 64 * scene.radius + 1.5


def test_every_look_is_drawn_and_looks_differ():
    painter, classes = still()
    images = [painter.image(replace(c, hue=0.1, part_hue=0.6), "train", 0)[0] for c in classes]
    assert len({(c.outline, c.texture, c.arrangement) for c in classes}) == 60
    assert len({image.tobytes() for image in images}) == 60
    assert len({c.description for c in classes}) > 50


@pytest.mark.parametrize("what", ["place", "rotation_deg", "hue", "light", "ground", "noise"])
def test_each_nuisance_changes_images(what):
    def spread(painter, of):
        images = [painter.image(of, "train", number)[0].astype(float) for number in range(12)]
        return np.std(images, axis=0).mean()

    quiet, classes = still()
    of = next(c for c in classes if c.texture == "stripes" and c.outline == "star")
    loud, _ = still(**{what: {"rotation_deg": 90}.get(what, 0.3)})
    assert spread(loud, of) > spread(quiet, of) + 1


def test_some_objects_are_covered():
    painter, classes = still(occluded_share=0.5)
    covered = [painter.image(classes[0], "train", number)[1].covered for number in range(60)]
    assert 15 < sum(covered) < 45


def test_what_is_planted_can_be_learned():
    """With little nuisance even the nearest mean image tells classes apart."""
    settings = settings_of(SETTINGS | {"nuisance": NUISANCE | {"rotation_deg": 5, "place": 0.03}})
    painter, classes = Painter(settings), drawn_classes(settings)
    train, held_out = (
        np.array([[painter.image(c, part, k)[0] / 255 for k in range(n)] for c in classes])
        for part, n in (("train", 20), ("validation", 8))
    )
    distance = np.square(held_out[:, :, None] - train.mean(1)).sum((3, 4, 5))
    accuracy = (distance.argmin(2) == np.arange(5)[:, None]).mean()
    assert accuracy > 0.5  # chance is 0.2


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"n_classes": 61}, "n_classes is 61, expected 2 to 60"),
        ({"n_images": {"train": 3}}, "expected train and validation"),
        ({"nuisance": NUISANCE | {"radius": [0.4, 0.6]}}, r"nuisance\.radius is \[0\.4, 0\.6\]"),
        ({"nuisance": NUISANCE | {"colour": 1}}, r"nuisance\.colour is not known"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, match):
    with pytest.raises(ValueError, match=match):
        settings_of(SETTINGS | settings)
