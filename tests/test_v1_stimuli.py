"""Gratings and textures of the V1 property benchmarks, against their published formula."""

import numpy as np
import pytest
from PIL import Image

from v1lib.screen import GREY, Screen
from v1lib.v1_stimuli import (
    FREQUENCIES,
    RADII_DEG,
    Gratings,
    blank,
    drawn,
    frequency_set,
    full_size,
    orientation_set,
    receptive_field_set,
    size_set,
    texture_images,
)

SETS = {
    receptive_field_set: (21, 21, 4, 2),
    orientation_set: (3, 4, 12, 8),
    frequency_set: (2, 22, 6, 8),
    size_set: (12, 4, 6, 8),
}


def published(gratings: Gratings, i: int) -> np.ndarray:
    """The middle 8 degrees of one stimulus, written pixel by pixel from the formula."""
    step = (np.arange(672) - 336) / 56
    x, y = np.meshgrid(step - gratings.x_deg[i], step - gratings.y_deg[i])
    angle = gratings.orientation_deg[i] / 180 * np.pi
    phase = gratings.phase_deg[i] / 180 * np.pi
    across = (x * np.cos(angle) + y * np.sin(angle)) * gratings.frequency[i] * 2 * np.pi
    values = np.floor((np.sin(across + phase) + 1) / 2 * 255)
    image = np.where(x**2 + y**2 <= gratings.radius_deg[i] ** 2, values, 128)
    return image[112:560, 112:560].astype(np.uint8)


@pytest.mark.parametrize("make", SETS)
def test_sets_have_the_published_sizes(make):
    gratings = make()
    assert gratings.shape == SETS[make]
    assert len(gratings) == np.prod(SETS[make])


@pytest.mark.parametrize("make", SETS)
def test_images_are_those_of_the_formula_reduced_by_pillow(make):
    gratings = make()
    for i in np.random.default_rng(3).integers(0, len(gratings), 4):
        expected = published(gratings, i)
        one = gratings.part(i, i + 1)
        np.testing.assert_array_equal(full_size(one, Screen(64))[0], expected)
        small = Image.fromarray(expected).resize((64, 64), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(next(drawn(one, Screen(64)))[0], np.asarray(small))


def test_grey_values_next_to_whole_numbers_are_those_of_the_formula():
    """Cut a little too low, a value of 31 would be 30: these phases meet every whole number."""
    phases = np.degrees(np.arcsin(2 * np.arange(256) / 255 - 1))
    n = len(phases)
    gratings = Gratings(
        *(np.full(n, value) for value in (0.5, 0.5, 0.2, 1.0, 45.0)), phases, shape=(n,)
    )
    shown = full_size(gratings, Screen(64))
    for i in range(n):
        np.testing.assert_array_equal(shown[i], published(gratings, i))


def test_parameters_of_the_sets():
    np.testing.assert_allclose(FREQUENCIES[[0, -1]], [0.38555, 14.672], rtol=2e-5)
    radii = [0.10511, 0.14865, 0.21022, 0.29730, 0.42045, 0.59460]
    radii += [0.84090, 1.18921, 1.68179, 2.37841, 3.36359, 4.75683]
    np.testing.assert_allclose(RADII_DEG, radii, rtol=5e-5)
    fields = receptive_field_set()
    np.testing.assert_array_equal(np.unique(fields.orientation_deg), [0, 45, 90, 135])
    np.testing.assert_array_equal(np.unique(fields.phase_deg), [0, 180])
    # y changes slowest, then x; the first 8 are one place.
    assert (fields.y_deg[:8] == -2.5).all() and (fields.x_deg[:8] == -2.5).all()
    assert fields.x_deg[8] == -2.25 and fields.y_deg[8] == -2.5
    oriented = orientation_set()
    four = [0.77111, 1.54221, 3.08442, 6.16884]
    np.testing.assert_allclose(np.unique(oriented.frequency), four, rtol=1e-5)
    cycles = 2 * oriented.radius_deg * oriented.frequency
    np.testing.assert_allclose(cycles.reshape(3, -1), np.repeat([[2], [3], [4]], 384, axis=1))
    for gratings in (oriented, frequency_set(), size_set()):
        assert (gratings.y_deg == 0.5).all() and (gratings.x_deg == 0.5).all()
        np.testing.assert_array_equal(gratings.phase_deg[:8], np.arange(8) * 45)


def test_chunks_hold_all_stimuli_in_their_order():
    gratings = receptive_field_set()
    screen = Screen(16)
    chunks = list(drawn(gratings, screen))
    assert [len(chunk) for chunk in chunks] == [256] * 13 + [200]
    images = np.concatenate(chunks)
    for i in (0, 255, 256, 1764, 3527):
        np.testing.assert_array_equal(images[i], next(drawn(gratings.part(i, i + 1), screen))[0])


def test_a_window_of_the_field_is_cut_from_the_same_stimuli():
    one = orientation_set().part(300, 301)
    whole = full_size(one, Screen(64))[0]
    window = full_size(one, Screen(10, 2.0, (0.5, 0.25)))[0]
    row, column = 224 + 28 - 56, 224 + 14 - 56
    np.testing.assert_array_equal(window, whole[row : row + 112, column : column + 112])


def test_a_screen_beyond_the_stimuli_is_refused():
    with pytest.raises(ValueError, match="not within the 12 degrees"):
        next(drawn(size_set(), Screen(64, 8.0, (3.0, 0.0))))


def test_the_empty_screen_is_grey():
    assert (blank(Screen(5)) == GREY).all()


def test_textures_appear_in_their_aperture_at_the_position():
    textures = np.random.default_rng(0).integers(0, 256, (2, 15, 15, 320, 320), dtype=np.uint8)
    found = texture_images(textures, Screen(64))
    assert found.shape == (450, 64, 64)
    # The formula, for one of them: type 1, family 2, sample 3.
    place = np.arange(640) - 360
    distance = np.hypot(place[:, None], place)
    weight = np.where(distance < 160, 0.5 * (1 + np.cos(np.pi * distance / 160)), 0)
    canvas = np.zeros((640, 640))
    canvas[200:520, 200:520] = textures[1, 2, 3].astype(float) - 128
    image = (canvas * weight + 128).astype(np.uint8)
    expected = Image.fromarray(image).resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found[225 + 2 * 15 + 3], np.asarray(expected))
    assert (found[:, :20] == GREY).all() and (found[0, 20:52, 20:52] != GREY).any()


def test_other_textures_are_refused():
    with pytest.raises(ValueError, match=r"uint8 \(2, 15, 15, 320, 319\)"):
        texture_images(np.zeros((2, 15, 15, 320, 319), dtype=np.uint8), Screen(64))
    textures = np.broadcast_to(np.uint8(0), (2, 15, 15, 320, 320))
    with pytest.raises(ValueError, match="8 degrees around the middle"):
        texture_images(textures, Screen(64, 4.0))


def test_textures_that_have_their_aperture_are_refused():
    textures = np.zeros((2, 15, 15, 320, 320), dtype=np.uint8)
    textures[0, 0, 0, 0] = GREY  # one side alone may be grey
    assert texture_images(textures, Screen(64)).shape == (450, 64, 64)
    textures[1, 2, 3:5] = GREY
    textures[1, 2, 3:5, 1:-1, 1:-1] = 7
    with pytest.raises(ValueError, match=r"textures\[1, 2, 3\] and 1 others have a border .* 128"):
        texture_images(textures, Screen(64))
