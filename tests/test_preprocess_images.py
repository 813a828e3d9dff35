"""From archives of pictures to packed images: every published layout, and bad input."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

import preprocess_images
from made_up_pictures import (
    imagenet,
    imagenet64,
    jpeg,
    tar_of,
    tarred,
    tiny_imagenet,
    tiny_imagenet_c,
    unpacked,
    zipped,
)
from v1lib.archives import DamagedArchive, UnsafeArchive
from v1lib.labelled_images import open_labelled
from v1lib.pictures import recompressed

TINY = {"layout": "tiny_imagenet", "size_px": 64, "counts": {}}
TINY_C = TINY | {"layout": "tiny_imagenet_c"}
LARGE = {
    **{"layout": "imagenet", "size_px": 8, "train_size_px": 16, "shorter_px": 32, "crop_px": 28},
    "counts": {},
}


def preprocess(tmp_path, archives, settings=TINY, threads=2):
    folder = tmp_path / "out/set"
    preprocess_images.main(
        archives=list(archives),
        images=folder,
        source_kind="simulated",
        dataset="tested",
        settings=settings,
        threads=threads,
    )
    return open_labelled(folder)


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.fixture(params=["zip", "tar", "tar.gz", "folder"])
def tiny(request, tmp_path):
    """The same files in each form that they may have."""
    files = tiny_imagenet()
    if request.param == "folder":
        return unpacked(tmp_path / "unpacked", files)
    write = zipped if request.param == "zip" else tarred
    return write(tmp_path / f"tiny.{request.param}", files)


def test_tiny_imagenet_is_packed_in_the_order_of_classes_and_names(tmp_path, tiny):
    found = preprocess(tmp_path, [tiny])
    files = tiny_imagenet()
    assert found.classes == ["n01", "n02"] and list(found.parts) == ["train", "validation"]
    train, validation = found.parts.values()
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1] and not found.generated
    names = [
        f"tiny-imagenet-200/train/{c}/images/{c}_{k}.JPEG" for c in found.classes for k in "012"
    ]
    assert np.array_equal(train.images, [pixels(files[name]) for name in names])
    grey = train.images[1]
    assert np.array_equal(grey[..., 0], grey[..., 1]) and grey.std() > 0
    # val_0 and val_2 are of n02, val_1 and val_3 of n01.
    names = [f"tiny-imagenet-200/val/images/val_{k}.JPEG" for k in (1, 3, 0, 2)]
    assert validation.labels.tolist() == [0, 0, 1, 1]
    assert np.array_equal(validation.images, [pixels(files[name]) for name in names])


def test_numbers_that_are_published_must_be_found(tmp_path):
    archive = zipped(tmp_path / "tiny.zip", tiny_imagenet())
    counts = {"classes": 2, "train": 6, "validation": 4}
    preprocess(tmp_path, [archive], TINY | {"counts": counts})
    for what in counts:
        settings = TINY | {"counts": counts | {what: 200}}
        with pytest.raises(ValueError, match=f"of {what}, the published collection has 200"):
            preprocess(tmp_path, [archive], settings)


def test_corrupted_pictures_have_a_part_for_each_severity(tmp_path):
    found = preprocess(tmp_path, [tarred(tmp_path / "c.tar", tiny_imagenet_c())], TINY_C)
    assert list(found.parts) == [f"{name}-{s}" for name in ("fog", "snow") for s in range(1, 6)]
    assert all(part.labels.tolist() == [0, 0, 1, 1] for part in found.parts.values())
    assert not found.generated


def test_imagenet_as_its_owners_hand_it_out(tmp_path):
    found = preprocess(tmp_path, imagenet(tmp_path), LARGE)
    assert found.classes == ["n01", "n03"]
    train, validation = found.parts["train"], found.parts["validation"]
    assert train.images.shape == (4, 16, 16, 3) and train.labels.tolist() == [0, 0, 1, 1]
    assert train.aspect == pytest.approx([5 / 9, 5 / 9, 4 / 3, 4 / 3])
    # The truth is 2, 1, 2 in the order of the numbers; 2 is n01.
    assert validation.images.shape == (3, 8, 8, 3) and validation.labels.tolist() == [0, 1, 0]
    assert validation.aspect is None


def test_class_folders_give_what_the_archives_give(tmp_path):
    archives = preprocess(tmp_path, imagenet(tmp_path), LARGE)
    sizes = {"n03": (80, 60), "n01": (50, 90)}
    files = {
        f"train/{name}/{name}_{k}.JPEG": jpeg(size, seed=k)
        for name, size in sizes.items()
        for k in range(2)
    }
    files |= {f"val/n01/v{k}.JPEG": jpeg((100, 70), seed=20 + k) for k in (1, 3)}
    files |= {"val/n03/v2.JPEG": jpeg((100, 70), seed=22)}
    folders = preprocess(tmp_path / "2", [unpacked(tmp_path / "unpacked", files)], LARGE)
    assert folders.classes == archives.classes
    assert np.array_equal(folders.parts["train"].images, archives.parts["train"].images)
    by_label = np.argsort(archives.parts["validation"].labels, kind="stable")
    expected = archives.parts["validation"].images[by_label]
    assert np.array_equal(folders.parts["validation"].images, expected)


def test_validation_pictures_are_cut_as_the_published_code_cuts_them(tmp_path):
    found = preprocess(tmp_path, imagenet(tmp_path), LARGE)
    image = Image.open(io.BytesIO(jpeg((100, 70), seed=21)))
    bilinear = Image.Resampling.BILINEAR
    image = image.resize((int(32 * 100 / 70), 32), bilinear)  # Resize(32)
    left, top = round((45 - 28) / 2.0), 2  # CenterCrop(28)
    image = image.crop((left, top, left + 28, top + 28)).resize((8, 8), bilinear)  # Resize((8, 8))
    assert np.array_equal(found.parts["validation"].images[0], np.asarray(image))


def test_the_small_release_of_imagenet(tmp_path):
    archives = imagenet64(tmp_path)
    found = preprocess(tmp_path, archives, TINY | {"layout": "imagenet64"})
    assert found.classes == ["class_0001", "class_0002", "class_0003"]
    assert found.parts["train"].labels.tolist() == [0, 1, 2, 0, 0, 1, 2, 0, 1]
    assert found.parts["validation"].labels.tolist() == [0, 1, 2]
    with np.load(zip_member(archives[2], "val_data.npz")) as batch:
        red_green_blue = batch["data"].reshape(3, 3, 64, 64).transpose(0, 2, 3, 1)
    assert np.array_equal(found.parts["validation"].images, red_green_blue)


def zip_member(path, name):
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read(name))


def test_the_number_of_threads_changes_nothing(tmp_path):
    archive = zipped(tmp_path / "tiny.zip", tiny_imagenet(n_train=60))
    one, three = (preprocess(tmp_path / str(n), [archive], threads=n) for n in (1, 3))
    for part in ("train", "validation"):
        assert np.array_equal(one.parts[part].images, three.parts[part].images)


TOP = "tiny-imagenet-200/"
VAL = f"{TOP}val/val_annotations.txt"
DAMAGES = {
    "no annotations": ({VAL: None}, "has no val/val_annotations.txt"),
    "a line without class": ({VAL: b"val_0.JPEG\n"}, "line 1 is 'val_0.JPEG', expected file, tab"),
    "a file twice": ({VAL: b"v.JPEG\tn01\nv.JPEG\tn01\n"}, r"line 2 names v\.JPEG again"),
    "a missing picture": (
        {f"{TOP}val/images/val_1.JPEG": None},
        r"1 of 4 annotated pictures are missing, the first is .*val_1\.JPEG",
    ),
    "one without annotation": (
        {f"{TOP}val/images/val_9.JPEG": jpeg()},
        r"1 pictures have no annotation, the first is .*val_9\.JPEG",
    ),
    "a class that is not trained": (
        {f"{TOP}train/n01/images/n01_{k}.JPEG": None for k in range(3)},
        "class n01 has pictures in one of train and validation only",
    ),
    "a truncated picture": (
        {f"{TOP}train/n01/images/n01_2.JPEG": jpeg()[:-200]},
        r"n01_2\.JPEG is damaged, truncated or no picture",
    ),
    "no picture": (
        {f"{TOP}val/images/val_0.JPEG": b"<html>"},
        r"val_0\.JPEG is damaged, truncated or no picture",
    ),
    "an odd size": (
        {f"{TOP}train/n02/images/n02_0.JPEG": jpeg((64, 32))},
        r"n02_0\.JPEG is 64 x 32 px, expected 64",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_members_are_named_and_nothing_is_left(tmp_path, damage):
    changes, match = DAMAGES[damage]
    files = {name: c for name, c in (tiny_imagenet() | changes).items() if c is not None}
    with pytest.raises(ValueError, match=match):
        preprocess(tmp_path, [zipped(tmp_path / "tiny.zip", files)])
    assert not list((tmp_path / "out").glob("*"))


def test_hidden_files_of_systems_are_passed_over(tmp_path):
    files = tiny_imagenet()
    files |= {f"{TOP}train/n01/images/.DS_Store": b"x", f"{TOP}val/images/._val_0.JPEG": b"x"}
    files |= {f"__MACOSX/{VAL}": b"x"}
    assert len(preprocess(tmp_path, [zipped(tmp_path / "t.zip", files)]).parts["train"]) == 6


def test_a_truncated_archive_is_refused(tmp_path):
    archive = zipped(tmp_path / "tiny.zip", tiny_imagenet())
    archive.write_bytes(archive.read_bytes()[:-1000])
    with pytest.raises(DamagedArchive, match=r"tiny\.zip is truncated"):
        preprocess(tmp_path, [archive])


def test_an_archive_that_leads_outside_is_refused(tmp_path):
    files = tiny_imagenet() | {"../escaped.JPEG": jpeg()}
    with pytest.raises(UnsafeArchive, match="outside its folder"):
        preprocess(tmp_path, [tarred(tmp_path / "tiny.tar", files)])


def test_parts_of_corrupted_pictures_must_have_the_same_classes(tmp_path):
    files = tiny_imagenet_c()
    files = {name: c for name, c in files.items() if "snow/4/n02" not in name}
    with pytest.raises(ValueError, match="class n02 has pictures in one of fog-1 and snow-4 only"):
        preprocess(tmp_path, [tarred(tmp_path / "c.tar", files)], TINY_C)


def test_imagenet_archives_are_checked(tmp_path):
    train, validation, kit = imagenet(tmp_path)
    with pytest.raises(ValueError, match=r"0 of the archives .* have 'devkit' in their names"):
        preprocess(tmp_path, [train, validation], LARGE)
    tarred(validation, {"ILSVRC2012_val_00000001.JPEG": jpeg()})
    with pytest.raises(ValueError, match="has 3 lines, but there are 1 pictures"):
        preprocess(tmp_path, [train, validation, kit], LARGE)
    imagenet(tmp_path)
    inner = tar_of({"n01_0.JPEG": jpeg()})
    tarred(train, {"n01.tar": inner[:700], "n03.tar": inner})
    with pytest.raises(DamagedArchive, match=r"img_train\.tar, n01\.tar is truncated"):
        preprocess(tmp_path, [train, validation, kit], LARGE)
    tarred(train, {"n01.tar": inner})
    with pytest.raises(ValueError, match="is of class 1, which has no pictures"):
        preprocess(tmp_path, [train, validation, kit], LARGE)


def test_flat_validation_pictures_have_no_labels(tmp_path):
    files = {"train/n01/a.JPEG": jpeg(), "val/b.JPEG": jpeg()}
    with pytest.raises(ValueError, match="not sorted into class folders have no labels"):
        preprocess(tmp_path, [unpacked(tmp_path / "imagenet", files)], LARGE)


@pytest.mark.parametrize("name", ["other", "tiny_imagenet"])
def test_layouts_and_numbers_of_archives(tmp_path, name):
    match = "allowed: tiny_imagenet" if name == "other" else "2 archives .*, expected one"
    with pytest.raises(ValueError, match=match):
        preprocess(tmp_path, [tmp_path / "a", tmp_path / "b"], TINY | {"layout": name})


def test_a_compressed_image_is_close_to_what_it_was():
    image = pixels(jpeg(seed=3))
    once = recompressed(image, quality=85)
    assert once.shape == image.shape and 0 < np.abs(once - image.astype(float)).mean() < 4
