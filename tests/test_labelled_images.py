"""Images with labels on disk: what is written comes back, and damage is noticed."""

import json

import numpy as np
import pytest

from v1lib.labelled_images import new_labelled, open_labelled

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (12, 4, 6, 3), dtype=np.uint8)
LABELS = [0, 1, 2] * 4


def write(folder, parts=("train", "validation"), classes=("a", "b", "c"), **options):
    options = {"dataset": "tested", "source_kind": "simulated"} | options
    with new_labelled(folder, classes=list(classes), **options) as writer:
        for name in parts:
            with writer.part(name, (4, 6)) as part:
                for image, label in zip(IMAGES, LABELS, strict=True):
                    part.add(image, label)
    return folder


def test_what_is_written_comes_back(tmp_path):
    found = open_labelled(write(tmp_path / "set", generated=True))
    assert (found.dataset, found.source_kind, found.generated) == ("tested", "simulated", True)
    assert found.classes == ["a", "b", "c"] and list(found.parts) == ["train", "validation"]
    part = found.parts["validation"]
    assert np.array_equal(part.images, IMAGES) and part.labels.tolist() == LABELS
    assert isinstance(part.images, np.memmap) and not part.images.flags.writeable
    assert part.aspect is None and len(part) == 12
    assert np.array_equal(np.load(tmp_path / "set/train/images.npy"), IMAGES)


def test_images_squeezed_into_squares_keep_their_proportions(tmp_path):
    settings = {"dataset": "tested", "source_kind": "real", "classes": ["a"]}
    with (
        new_labelled(tmp_path / "set", **settings) as writer,
        writer.part("gaussian_noise-3", (4, 6)) as part,
    ):
        part.add(IMAGES[0], 0, aspect=1.5)
        part.add(IMAGES[1], 0, aspect=0.75)
    assert open_labelled(tmp_path / "set").parts["gaussian_noise-3"].aspect.tolist() == [1.5, 0.75]
    with (
        pytest.raises(ValueError, match="1 of 2 images came with proportions"),
        new_labelled(tmp_path / "other", **settings) as writer,
        writer.part("train", (4, 6)) as part,
    ):
        part.add(IMAGES[0], 0, aspect=1.5)
        part.add(IMAGES[1], 0)
    assert not (tmp_path / "other").exists()


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with (
        pytest.raises(RuntimeError, match="broken off"),
        new_labelled(tmp_path / "set", dataset="x", source_kind="real", classes=["a"]) as writer,
        writer.part("train", (4, 6)) as part,
    ):
        part.add(IMAGES[0], 0)
        raise RuntimeError("broken off")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"source_kind": "made up"}, "source_kind is 'made up'"),
        ({"classes": ["a", "b", "a"]}, "3 classes, 2 of them different"),
        ({"classes": ["a", "b"]}, "part train: a label is not below 2"),
        ({"parts": []}, "no part was written|nothing was written"),
        ({"parts": ["train", "train"]}, "'train' cannot be the name of a part"),
        ({"parts": ["../train"]}, "cannot be the name of a part"),
    ],
)
def test_what_cannot_be_is_not_written(tmp_path, options, match):
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        write(tmp_path / "set", **options)


@pytest.mark.parametrize("image", [IMAGES[0][:3], IMAGES[0].astype(np.float32), IMAGES[0, :, :, 0]])
def test_images_of_another_shape_or_type_are_refused(tmp_path, image):
    with (
        pytest.raises(ValueError, match=r"expected uint8 \(4, 6, 3\)"),
        new_labelled(tmp_path / "set", dataset="x", source_kind="real", classes=["a"]) as writer,
        writer.part("train", (4, 6)) as part,
    ):
        part.add(image, 0)


def shorten(file):
    file.write_bytes(file.read_bytes()[:-100])


def relabel(file):
    np.save(file, np.full(12, 3))


DAMAGES = {
    "a short file of images": ("train/images.npy", shorten, "images.npy is damaged or truncated"),
    "labels of no class": ("train/labels.npy", relabel, "labels from 3 to 3.* 3 classes"),
    "few labels": ("train/labels.npy", lambda f: np.save(f, np.zeros(5, int)), r"shape \(5,\)"),
    "labels of a type": ("train/labels.npy", lambda f: np.save(f, np.zeros(12)), "type float64"),
    "grey images": ("train/images.npy", lambda f: np.save(f, IMAGES[..., 0]), "has shape"),
    "aspects": ("train/aspect.npy", lambda f: np.save(f, np.ones(3, "f4")), r"shape \(3,\)"),
    "another format": ("images.json", lambda f: f.write_text('{"format": 2}'), "not of format 1"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named(tmp_path, damage):
    folder = write(tmp_path / "set")
    file, spoil, match = DAMAGES[damage]
    spoil(folder / file)
    with pytest.raises(ValueError, match=match):
        open_labelled(folder)


def test_a_missing_file_is_named(tmp_path):
    folder = write(tmp_path / "set")
    (folder / "train/labels.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"labels\.npy"):
        open_labelled(folder)
    assert json.loads((folder / "images.json").read_text())["parts"] == ["train", "validation"]
