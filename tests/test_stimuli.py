"""Gratings, Gabor patches and the aperture: frequency, orientation, phase and place."""

import numpy as np
import pytest

from v1lib.stimuli import aperture_disc, gabor, sine_grating

SIZE = (64, 64)


def fourier_peak(image: np.ndarray) -> tuple[float, float]:
    """Frequency (cycles per pixel) and stripe orientation (degrees) of the strongest component."""
    spectrum = np.abs(np.fft.fft2(image - image.mean()))
    row, column = np.unravel_index(np.argmax(spectrum), spectrum.shape)
    down, right = np.fft.fftfreq(image.shape[0])[row], np.fft.fftfreq(image.shape[1])[column]
    # Rows count downwards; stripes run perpendicular to the direction of change.
    change = np.rad2deg(np.arctan2(-down, right))
    return float(np.hypot(down, right)), float((change + 90) % 180)


@pytest.mark.parametrize("orientation_deg", [0.0, 90.0, 45.0, 135.0])
@pytest.mark.parametrize("cycles", [4, 8])
def test_grating_peaks_at_the_asked_frequency_and_orientation(cycles, orientation_deg):
    # On the diagonals, whole cycles along rows and columns keep the energy in one bin.
    oblique = orientation_deg % 90 != 0
    frequency = cycles / 64 * (np.sqrt(2) if oblique else 1)
    image = sine_grating(
        SIZE, wavelength_px=1 / frequency, orientation_deg=orientation_deg, phase_deg=30
    )
    found_frequency, found_orientation = fourier_peak(image)
    assert found_frequency == pytest.approx(frequency)
    assert found_orientation == pytest.approx(orientation_deg)


@pytest.mark.parametrize("orientation_deg", [0, 22.5, 67.5, 90, 112.5, 157.5])
def test_gabor_peaks_near_the_asked_frequency_and_orientation(orientation_deg):
    image = gabor(
        SIZE, wavelength_px=6.4, orientation_deg=orientation_deg, phase_deg=90, sigma_px=8
    )
    frequency, orientation = fourier_peak(image)
    assert frequency == pytest.approx(1 / 6.4, abs=1 / 64)
    difference = (orientation - orientation_deg + 90) % 180 - 90
    assert abs(difference) < np.rad2deg(1 / 64 / frequency)


def test_named_orientations_are_those_of_the_stripes():
    horizontal = sine_grating(SIZE, wavelength_px=8, orientation_deg=0, phase_deg=0)
    vertical = sine_grating(SIZE, wavelength_px=8, orientation_deg=90, phase_deg=0)
    np.testing.assert_allclose(horizontal, horizontal[:, :1].repeat(64, axis=1), atol=1e-12)
    np.testing.assert_allclose(vertical, vertical[:1].repeat(64, axis=0), atol=1e-12)
    rising = sine_grating(SIZE, wavelength_px=400, orientation_deg=45, phase_deg=0)
    # Stripes at 45 degrees run from the bottom left to the top right corner.
    assert rising[63, 0] == pytest.approx(rising[0, 63])
    assert rising[0, 0] < 0.99 * rising[63, 0]


def test_gabor_has_its_phase_at_its_centre_and_its_envelope_along_the_stripes():
    parameters = {"wavelength_px": 12, "orientation_deg": 90, "sigma_px": 3, "centre_px": (20, 40)}
    even = gabor(SIZE, phase_deg=0, elongation=2, **parameters)
    dark = gabor(SIZE, phase_deg=180, elongation=2, **parameters)
    odd = gabor(SIZE, phase_deg=90, elongation=2, **parameters)
    assert np.unravel_index(np.argmax(even), SIZE) == (20, 40)
    assert even[20, 40] == pytest.approx(1)
    np.testing.assert_allclose(dark, -even, atol=1e-12)
    assert odd[20, 40] == pytest.approx(0, abs=1e-12)
    assert even[20 + 6, 40] == pytest.approx(np.exp(-0.5))


def test_parameters_broadcast_into_leading_axes():
    orientations = np.arange(16) * 180 / 16
    phases = np.arange(4) * 90.0
    stack = sine_grating(
        (33, 33), wavelength_px=7, orientation_deg=orientations[:, None], phase_deg=phases
    )
    assert stack.shape == (16, 4, 33, 33)
    single = sine_grating((33, 33), wavelength_px=7, orientation_deg=orientations[5], phase_deg=180)
    np.testing.assert_array_equal(stack[5, 2], single)
    centred = gabor(
        (33, 33),
        wavelength_px=7,
        orientation_deg=0,
        phase_deg=0,
        sigma_px=2,
        centre_px=(np.array([5, 20]), np.array([8, 25])),
    )
    assert [np.unravel_index(np.argmax(image), (33, 33)) for image in centred] == [(5, 8), (20, 25)]


def test_disc_has_the_area_and_place_asked_for():
    disc = aperture_disc((101, 121), diameter_px=60, centre_px=(40, 70))
    assert disc.sum() == pytest.approx(np.pi * 30**2, rel=0.01)
    rows, columns = np.nonzero(disc)
    assert (rows.mean(), columns.mean()) == pytest.approx((40, 70))
    assert disc[40, 40] and not disc[40, 39]


@pytest.mark.parametrize("name", ["wavelength_px", "sigma_px", "elongation"])
def test_lengths_must_be_positive(name):
    parameters = {"wavelength_px": 6, "orientation_deg": 0, "phase_deg": 0, "sigma_px": 2}
    with pytest.raises(ValueError, match=name):
        gabor(SIZE, **{**parameters, name: 0})
