"""In-silico experiments on subjects whose answer is known."""

import numpy as np
import pytest

from v1lib.insilico import (
    AscentSettings,
    Frame,
    ascend,
    frame_of,
    gratings,
    image_correlation,
    mean_pairwise_correlation,
    orientation_tuning,
    response_weighted_image,
    rms_contrast,
)
from v1lib.recording import Recording
from v1lib.stimuli import aperture_disc, gabor

SIZE = (33, 33)
APERTURE = aperture_disc(SIZE, diameter_px=26, centre_px=(16.5, 16.5))
FRAME = Frame(APERTURE, 116.0)
SETTINGS = AscentSettings(n_steps=150, step_size=5.0, blur_sigma_px=0.5, rms_contrast=56.0)


def field(orientation_deg: float, *, wavelength_px: float = 8, phase_deg: float = 60) -> np.ndarray:
    return gabor(
        SIZE,
        wavelength_px=wavelength_px,
        orientation_deg=orientation_deg,
        phase_deg=phase_deg,
        sigma_px=0.5 * wavelength_px,
        centre_px=(16.5, 16.5),
    )


def linear_objective(receptive_field: np.ndarray):
    def objective(images):
        values = ((images - 116) * receptive_field).sum(axis=(1, 2, 3))
        return values, np.broadcast_to(receptive_field, images.shape)

    return objective


def start(n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (n, 1, *SIZE))


@pytest.mark.parametrize("wavelength_px", [6, 8, 12])
def test_ascent_finds_the_receptive_field_of_a_linear_neuron(wavelength_px):
    planted = field(35, wavelength_px=wavelength_px)
    images, _ = ascend(linear_objective(planted), start(), frame=FRAME, settings=SETTINGS)
    assert (image_correlation(images[:, 0], planted, APERTURE) > 0.9).all()
    other = field(125, wavelength_px=wavelength_px)
    assert (np.abs(image_correlation(images[:, 0], other, APERTURE)) < 0.3).all()


def test_ascent_of_a_neuron_without_receptive_field_finds_nothing():
    planted = field(35)
    noise = np.random.default_rng(1).normal(size=SIZE)
    images, _ = ascend(linear_objective(noise), start(), frame=FRAME, settings=SETTINGS)
    assert (np.abs(image_correlation(images[:, 0], planted, APERTURE)) < 0.3).all()


def test_ascent_with_steps_outrun_by_the_blur_loses_the_receptive_field():
    planted = field(35, wavelength_px=6)
    slow = AscentSettings(n_steps=500, step_size=1.0, blur_sigma_px=0.5, rms_contrast=56.0)
    images, _ = ascend(linear_objective(planted), start(1), frame=FRAME, settings=slow)
    assert image_correlation(images[0, 0], planted, APERTURE) < 0.6


@pytest.mark.parametrize("phase_deg", [0, 180])
@pytest.mark.parametrize("contrast", [10.0, 56.0])
def test_images_keep_to_aperture_grey_values_and_contrast(contrast, phase_deg):
    objective = linear_objective(field(80, phase_deg=phase_deg))
    settings = AscentSettings(100, 5.0, 0.5, contrast)
    images, values = ascend(objective, start(3), frame=FRAME, settings=settings)
    assert (images[:, 0][:, ~APERTURE] == 116).all()
    reached = rms_contrast(images, FRAME)
    lowest, highest = images.min(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))
    if contrast == 10:
        np.testing.assert_allclose(reached, contrast, rtol=1e-5)
        assert (lowest > 1).all() and (highest < 254).all()
    else:
        # A small field cannot have a high contrast all over the aperture: a grey value ends it.
        assert (reached < contrast).all()
        assert lowest.min() > -1e-3 and highest.max() < 255 + 1e-3
        limit = lowest if phase_deg else 255 - highest
        np.testing.assert_allclose(limit, 0, atol=1e-3)
    np.testing.assert_allclose(values, objective(images)[0], rtol=1e-5)


def test_a_neuron_without_gradient_gives_no_image_of_its_own():
    def silent(images):
        return np.zeros(len(images)), np.zeros(images.shape)

    images, values = ascend(silent, start(), frame=FRAME, settings=SETTINGS)
    assert np.isfinite(images).all() and (values == 0).all()
    np.testing.assert_array_equal(
        ascend(silent, 0 * start(), frame=FRAME, settings=SETTINGS)[0], 116
    )


def test_contrast_is_measured_about_the_background_inside_the_aperture():
    image = np.full((1, 1, *SIZE), 116.0)
    image[0, 0][APERTURE] = np.where(np.arange(APERTURE.sum()) % 2, 126, 112)
    image[0, 0, 0, 0] = 255
    expected = np.sqrt(np.mean((image[0, 0][APERTURE] - 116) ** 2))
    assert rms_contrast(image, FRAME) == pytest.approx(expected)


def test_response_weighted_image_by_hand():
    images = np.array([[[[0.0, 4.0]]], [[[4.0, 0.0]]], [[[2.0, 2.0]]]])
    responses = np.array([[1.0, 0.0, 2.0], [3.0, 0.0, np.nan], [0.0, 0.0, 0.0]])
    found = response_weighted_image(images, responses, 100.0)
    np.testing.assert_allclose(found[0], [[[101.0, 99.0]]])
    assert np.isnan(found[1]).all()
    # The third neuron did not see the second image: weighted (0, 4) less plain mean (1, 3).
    np.testing.assert_allclose(found[2], [[[99.0, 101.0]]])


def test_image_correlation_looks_inside_the_aperture_only():
    first = field(20)
    second = np.where(APERTURE, 3 * first + 5, -100 * first)
    assert image_correlation(first, second, APERTURE) == pytest.approx(1)
    assert image_correlation(first, -first, APERTURE) == pytest.approx(-1)
    assert np.isnan(image_correlation(first, np.ones(SIZE), APERTURE))
    stack = np.stack([first, first, -first])
    assert mean_pairwise_correlation(stack, APERTURE) == pytest.approx((1 - 1 - 1) / 3)
    assert np.isnan(mean_pairwise_correlation(stack[:1], APERTURE))


def gratings_of(**changes):
    settings = {"wavelengths_px": [5, 8, 12], "n_orientations": 16, "n_phases": 4, "contrast": 0.8}
    return gratings(FRAME, **{**settings, **changes})


def test_gratings_fill_the_aperture_at_their_contrast():
    stimuli = gratings_of()
    assert stimuli.images.shape == (3, 16, 4, 1, *SIZE)
    assert (stimuli.images[..., ~APERTURE] == 116).all()
    assert stimuli.images.max() == pytest.approx(116 * 1.8, rel=1e-3)
    assert stimuli.images.min() == pytest.approx(116 * 0.2, rel=1e-2)
    with pytest.raises(ValueError, match="contrast 2"):
        gratings_of(contrast=2)


def test_tuning_of_known_neurons_is_found():
    even, odd = (field(50, phase_deg=phase) for phase in (0, -90))
    blob = gabor(
        SIZE, wavelength_px=np.inf, orientation_deg=0, phase_deg=0, sigma_px=1.5,
        centre_px=(16.5, 16.5),
    )  # fmt: skip

    def respond(images):
        contrast = images[:, 0] / 116 - 1
        energy = sum((contrast * f).sum(axis=(1, 2)) ** 2 for f in (even, odd))
        simple = np.maximum((contrast * field(120)).sum(axis=(1, 2)), 0)
        round_ = np.maximum((contrast * blob).sum(axis=(1, 2)), 0)
        return np.column_stack([energy, simple, round_, np.full(len(images), -1.0)])

    found = orientation_tuning(respond, gratings_of())
    assert found.curve.shape == (16, 4)
    np.testing.assert_allclose(found.preferred_deg[:2], [50, 120], atol=2)
    assert (found.selectivity[:2] > 0.5).all() and found.selectivity[2] < 0.05
    np.testing.assert_array_equal(found.wavelength_px[:2], [8, 8])
    assert np.isnan(found.selectivity[3]) and np.isnan(found.preferred_deg[3])


@pytest.mark.parametrize("with_aperture", [True, False])
def test_frame_of_a_recording(with_aperture):
    stimuli = np.full((5, 1, *SIZE), 116, dtype=np.float32)
    stimuli[:, 0, APERTURE] = np.random.default_rng(0).uniform(0, 255, (5, APERTURE.sum()))
    recording = Recording(
        stimuli=stimuli,
        responses=np.zeros((5, 1), dtype=np.float32),
        image_index=np.arange(5),
        session=np.array(["01"]),
        split=np.full(5, ""),
        n_averaged=np.full(5, 20),
        dataset="toy",
        source_kind="simulated",
        extras={"aperture": APERTURE} if with_aperture else {},
    )
    frame = frame_of(recording)
    expected = APERTURE if with_aperture else np.ones(SIZE, dtype=bool)
    np.testing.assert_array_equal(frame.aperture, expected)
    assert frame.background == (116 if with_aperture else pytest.approx(stimuli.mean()))
