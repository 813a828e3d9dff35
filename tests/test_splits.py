"""Splits of images, against the original code's and by hand."""

import numpy as np
import pytest

from v1lib.splits import SPLIT_CODES, random_split, split_codes, stream


def images_of(split, name):
    return np.flatnonzero(split == SPLIT_CODES[name])


def test_split_equals_the_original(golden):
    case = golden("kindel2019/data_split.npz")
    rng = np.random.RandomState(int(case["numpy_global_seed"]))
    permutation = rng.permutation(int(case["num_images"]))
    split = random_split(permutation, train_fraction=2 / 3, validation_fraction=1 / 7)
    for name, indices in [("train", "train"), ("test", "eval"), ("validation", "earlystop")]:
        np.testing.assert_array_equal(images_of(split, name), np.sort(case[f"{indices}_indices"]))


def test_sizes_of_the_paper():
    split = random_split(np.arange(270), train_fraction=2 / 3, validation_fraction=1 / 7)
    assert [len(images_of(split, n)) for n in ("train", "validation", "test")] == [180, 38, 52]
    split = random_split(np.arange(270), train_fraction=6 / 7, validation_fraction=0.0)
    assert [len(images_of(split, n)) for n in ("train", "validation", "test")] == [232, 0, 38]


def test_test_images_come_before_validation_images():
    split = random_split(np.arange(10), train_fraction=0.5, validation_fraction=0.2)
    assert split.tolist() == [1, 1, 1, 1, 1, 3, 3, 3, 2, 2]


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="leave 9 training, 1 validation and 0 test images of 10"):
        random_split(np.arange(10), train_fraction=0.9, validation_fraction=0.1)


def test_unknown_names_are_refused():
    assert split_codes(np.array(["train", "", "test"])).tolist() == [1, 0, 3]
    with pytest.raises(ValueError, match="unknown split 'tset'"):
        split_codes(np.array(["train", "tset"]))


def test_streams_depend_on_their_whole_key():
    keys = [("split", "01", 0), ("split", "01", 1), ("split", "02", 0), ("batches", "01", 0)]
    first = {int(stream(*key).generate_state(1)[0]) for key in keys}
    assert len(first) == len(keys)
    assert first == {int(stream(*key).generate_state(1)[0]) for key in keys}
