"""Corrupted images: published numbers, what each corruption does, and that it can be repeated."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from v1lib import corruptions
from v1lib.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from v1lib.simulation.images import dead_leaves, pink_noise

# Of these, later severities are not always further from the image, as published: the random affine
# map of the elastic deformation is strongest in the first, and ice differs from image to image.
NOT_MONOTONE = {"elastic_transform", "glass_blur", "frost"}


def made_images(n_images=12):
    """Coloured scenes of leaves with some texture."""
    rng = np.random.default_rng(8)
    leaves = dead_leaves(rng, 3 * n_images, (64, 64), n_leaves=40).reshape(n_images, 3, 64, 64)
    noise = pink_noise(rng, n_images, (64, 64))
    leaves = 0.15 + 0.7 * leaves + 0.03 * (noise / noise.std())[:, None]
    return (255 * leaves.clip(0, 1)).astype(np.uint8).transpose(0, 2, 3, 1)


IMAGES = made_images()


@pytest.fixture(scope="module")
def results():
    """Every image with every corruption in every severity."""
    return {
        (name, severity): np.stack(
            [
                corrupted(image, name, severity, np.random.default_rng([severity, number]))
                for number, image in enumerate(IMAGES)
            ]
        )
        for name in CORRUPTIONS
        for severity in SEVERITIES
    }


def distance(results, name):
    """Mean absolute difference from the images, by severity."""
    return [np.abs(results[name, s].astype(float) - IMAGES).mean() for s in SEVERITIES]


def test_there_are_the_fifteen_of_the_benchmark():
    families = [
        *("gaussian_noise", "shot_noise", "impulse_noise"),
        *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
        *("snow", "frost", "fog", "brightness"),
        *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    ]
    assert list(CORRUPTIONS) == families


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_images_change_and_keep_their_form(results, name):
    for severity in SEVERITIES:
        found = results[name, severity]
        assert found.shape == IMAGES.shape and found.dtype == np.uint8
        assert all((a != b).any() for a, b in zip(found, IMAGES, strict=True))


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in NOT_MONOTONE])
def test_more_severe_is_further_from_the_image(results, name):
    assert np.all(np.diff(distance(results, name)) > 0)


def test_the_most_severe_glass_is_further_than_the_least(results):
    found = distance(results, "glass_blur")
    assert found[-1] > found[0]


def test_frost_leaves_less_and_less_of_the_image():
    """So little light that nothing is clipped; with the ice of one generator the rest is equal."""
    dark = IMAGES[0] // 4
    for severity, (kept, weight) in enumerate(
        [(1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)], 1
    ):
        found = corrupted(dark, "frost", severity, np.random.default_rng(2))
        ice = corruptions._ice(np.random.default_rng(2))
        assert np.abs(found - (kept * dark + weight * 255 * ice)).max() <= 1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_generator_decides_an_image(name):
    first, again, other = (
        corrupted(IMAGES[0], name, 3, np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert np.array_equal(first, again)
    random = name not in (
        *("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"),
    )
    assert np.array_equal(first, other) != random


def grey_image(value):
    return np.full((64, 64, 3), value, dtype=np.uint8)


def test_noise_is_as_strong_as_published():
    rng = np.random.default_rng(0)
    grey = grey_image(128)
    for severity, sd in zip(SEVERITIES, (0.04, 0.08, 0.12, 0.15, 0.18), strict=True):
        noise = corrupted(grey, "gaussian_noise", severity, rng) / 255
        assert noise.std() == pytest.approx(sd, rel=0.03)
        assert noise.mean() == pytest.approx(128 / 255, abs=0.01)
    for severity, photons in zip(SEVERITIES, (250, 100, 50, 30, 15), strict=True):
        noise = corrupted(grey, "shot_noise", severity, rng) / 255
        assert noise.std() == pytest.approx(np.sqrt(128 / 255 / photons), rel=0.05)
    for severity, share in zip(SEVERITIES, (0.01, 0.02, 0.05, 0.08, 0.14), strict=True):
        noise = corrupted(grey, "impulse_noise", severity, rng)
        assert (noise != 128).mean() == pytest.approx(share, rel=0.15)
        assert set(np.unique(noise)) == {0, 128, 255}
        assert (noise == 0).mean() == pytest.approx(share / 2, rel=0.2)


@pytest.mark.parametrize("name", ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"])
def test_blur_keeps_brightness_and_takes_detail(results, name):
    def detail(images):
        return np.abs(np.diff(images.astype(float), axis=2)).mean()

    found = [detail(results[name, severity]) for severity in SEVERITIES]
    assert found[-1] < 0.65 * detail(IMAGES) and found[-1] < found[0]
    if name != "glass_blur":  # whose least severe form only exchanges neighbours
        assert found[0] < detail(IMAGES)
    # Numbers are cut off, twice at most, and the border is not the middle.
    assert abs(results[name, 5].mean() - IMAGES.mean()) < 2.5
    assert np.abs(corrupted(grey_image(77), name, 5, np.random.default_rng(0)) - 77.0).max() <= 2


def test_a_point_becomes_a_disk_out_of_focus_and_a_line_in_motion():
    point = grey_image(0)
    point[32, 32] = 255
    disk = corrupted(point, "defocus_blur", 5, np.random.default_rng(0))[..., 0]
    row, column = np.nonzero(disk)
    assert np.hypot(row - 32, column - 32).max() <= 3 and len(row) == 29  # pixels within 3
    line = corrupted(point, "motion_blur", 4, np.random.default_rng(0))[..., 0]
    row, column = np.nonzero(line > 1)
    assert len(row) >= 5 and line.max() == line[32, 32]
    assert np.linalg.matrix_rank(np.stack([row - 32, column - 32]), tol=1.5) == 1


def test_zoom_is_that_of_scipy():
    image = IMAGES[0] / 255
    kept = int(np.ceil(64 / 1.23))
    first = (64 - kept) // 2
    middle = image[first : first + kept, first : first + kept]
    enlarged = ndimage.zoom(middle, (1.23, 1.23, 1), order=1)
    trimmed = (len(enlarged) - 64) // 2
    expected = enlarged[trimmed : trimmed + 64, trimmed : trimmed + 64]
    assert np.allclose(corruptions._zoomed(image, 1.23), expected, atol=1e-6)


def test_snow_frost_and_light_make_images_brighter(results):
    for name in ("snow", "brightness"):
        assert results[name, 5].mean() > results[name, 1].mean() > IMAGES.mean() + 5
    assert all(results["frost", severity].mean() > IMAGES.mean() + 5 for severity in SEVERITIES)


def test_fog_is_a_cloud_whose_light_takes_contrast():
    image = IMAGES[0] / 255
    for severity, (amount, decay) in enumerate(
        [(0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)], 1
    ):
        found = corrupted(IMAGES[0], "fog", severity, np.random.default_rng(6))
        cloud = corruptions._plasma(np.random.default_rng(6), decay)
        assert cloud.min() == 0 and cloud.max() == 1
        kept = image.max() / (image.max() + amount)
        assert np.abs(found / 255 - kept * (image + amount * cloud[..., None])).max() <= 1 / 255
    smooth, rough = (
        np.abs(np.diff(corruptions._plasma(np.random.default_rng(6), decay))).mean()
        for decay in (3, 1.75)
    )
    assert rough > 1.2 * smooth


def test_brightness_is_added_to_the_value_and_keeps_hue_and_saturation():
    image = np.array(IMAGES[0])
    image[0, 0] = 0  # black has no hue: it becomes grey
    brighter = corrupted(image, "brightness", 2, np.random.default_rng(0))
    value = np.minimum(image.max(2) + 0.2 * 255, 255)
    assert np.abs(brighter.max(2) - value).max() <= 1
    assert brighter[0, 0].tolist() == [51, 51, 51]
    hsv, changed = (
        np.asarray(Image.fromarray(a).convert("HSV"), dtype=float)[value > 60]
        for a in (image, brighter)
    )
    assert (
        np.median(np.abs(hsv - changed)[:, 0]) <= 1 and np.median(np.abs(hsv - changed)[:, 1]) <= 3
    )


def test_contrast_shrinks_each_channel_to_its_mean(results):
    for severity, share in zip(SEVERITIES, (0.4, 0.3, 0.2, 0.1, 0.05), strict=True):
        found, image = results["contrast", severity][0], IMAGES[0].astype(float)
        expected = image.mean((0, 1)) + share * (image - image.mean((0, 1)))
        assert np.abs(found - expected).max() <= 1


def test_pixels_become_larger_and_files_worse(results):
    [image] = IMAGES[:1]
    blocks = results["pixelate", 5][0]
    assert np.array_equal(blocks[::2, ::2], blocks[1::2, 1::2])
    assert np.abs(blocks[0, 0] - image[:2, :2].mean((0, 1))).max() <= 1.5
    for number, quality in ((1, 65), (5, 25)):
        expected = corruptions.recompressed(image, quality=quality)
        assert np.array_equal(results["jpeg_compression", number][0], expected)


def test_elastic_deformation_moves_what_is_there():
    """A ramp is bent, but its values stay within its range; a uniform image is not changed."""
    ramp = np.repeat(np.arange(60, 188, 2, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    for severity in SEVERITIES:
        bent = corrupted(ramp, "elastic_transform", severity, np.random.default_rng(1))
        assert bent.min() >= 60 and bent.max() <= 186
        assert np.abs(bent.astype(float) - ramp).max() < 2 * 20  # at most some twenty pixels
        same = corrupted(grey_image(90), "elastic_transform", severity, np.random.default_rng(1))
        assert np.abs(same - 90.0).max() <= 1


def test_ice_is_within_the_range_of_the_photographs_that_it_stands_for():
    ice = np.stack([corruptions._ice(np.random.default_rng(k)) for k in range(60)])
    means, spreads = ice.mean((1, 2, 3)), ice.std((1, 2)).mean(1)
    assert 0.48 <= means.min() and means.max() <= 0.81
    assert 0.04 <= spreads.min() and spreads.max() <= 0.12
    assert 0.4 <= (ice[..., 0].mean((1, 2)) / ice[..., 2].mean((1, 2))).min()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((IMAGES[0], "rain", 1), "corruption is 'rain', allowed: gaussian_noise"),
        ((IMAGES[0], "snow", 6), "severity is 6, allowed: 1 to 5"),
        ((IMAGES[0][:32], "snow", 1), r"uint8 \(32, 64, 3\), but the numbers"),
        ((IMAGES[0] / 255, "snow", 1), "an image is float64"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        corrupted(*arguments, np.random.default_rng(0))
