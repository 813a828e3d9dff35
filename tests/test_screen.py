"""The screen: image sizes as Pillow makes them, to the last bit, and images put on it."""

import numpy as np
import pytest
from PIL import Image

from v1lib.screen import GREY, Patch, Reducer, Screen, placed, resized

SIZES = [(448, 64), (640, 64), (448, 224), (100, 64), (40, 64), (64, 64), (53, 31), (7, 9)]


def images_of(side, n=5):
    images = np.random.default_rng(side).integers(0, 256, (n, side, side), dtype=np.uint8)
    images[0], images[1], images[2, ::2] = 255, 0, 0
    return images


def by_pillow(images, size_px):
    bilinear = Image.Resampling.BILINEAR
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((size_px, size_px), bilinear)) for one in images]
    )


@pytest.mark.parametrize(("side", "size_px"), SIZES)
def test_sizes_as_pillow_makes_them(side, size_px):
    images = images_of(side)
    np.testing.assert_array_equal(resized(images, size_px), by_pillow(images, size_px))


def test_only_grey_values_are_resized():
    with pytest.raises(TypeError, match="float64, expected uint8"):
        resized(np.zeros((1, 8, 8)), 4)


@pytest.mark.parametrize("corner", [(0, 0), (13, 200), (430, 5), (300, 425)])
def test_a_patch_changes_what_it_would_in_the_whole_image(corner):
    patches = images_of(18)
    whole = np.full((len(patches), 448, 448), GREY, dtype=np.uint8)
    row, column = corner
    whole[:, row : row + 18, column : column + 18] = patches
    reduce = Reducer((448, 448), Patch(row, column), (18, 18), 64)
    found = np.full((len(patches), 64, 64), GREY, dtype=np.uint8)
    found[:, reduce.rows, reduce.columns] = reduce(patches)
    np.testing.assert_array_equal(found, by_pillow(whole, 64))


def test_small_images_lie_on_grey_and_large_ones_are_cut():
    images = images_of(32)
    # 4 degrees on a screen of 8: the image covers its middle half.
    canvas = np.full((len(images), 64, 64), GREY, dtype=np.uint8)
    canvas[:, 16:48, 16:48] = images
    np.testing.assert_array_equal(placed(images, 4.0, Screen(64)), canvas)
    np.testing.assert_array_equal(placed(images, 4.0, Screen(20)), by_pillow(canvas, 20))
    # 16 degrees: the middle half is seen.
    np.testing.assert_array_equal(placed(images, 16.0, Screen(16)), images[:, 8:24, 8:24])
    np.testing.assert_array_equal(placed(images, 8.0, Screen(32)), images)


def test_images_of_other_shapes_keep_their_middle():
    images = np.full((1, 10, 20), 200, dtype=np.uint8)
    found = placed(images, 8.0, Screen(20))[0]
    assert (found[5:15] == 200).all()
    assert (found[:5] == GREY).all() and (found[15:] == GREY).all()


def test_what_cannot_be_shown_is_refused():
    images = images_of(8)
    with pytest.raises(ValueError, match="image_degrees is 0"):
        placed(images, 0.0, Screen(8))
    with pytest.raises(ValueError, match="images are shown at 0, 0"):
        placed(images, 8.0, Screen(8, 8.0, (0.5, 0.5)))
    with pytest.raises(ValueError, match="0 px"):
        Screen(0)
