"""Filters: their norm, their preferred pattern, and what they must not respond to."""

import numpy as np
import pytest

from v1lib.filters import centre_sigma, difference_of_gaussians, gabor_pair
from v1lib.stimuli import sine_grating

SIZE = (41, 41)


def test_gabor_pair_is_a_quadrature_pair_of_unit_norm_without_mean():
    pairs = gabor_pair(
        SIZE,
        centre_px=[[20, 20], [15, 22]],
        orientation_deg=[30, 110],
        wavelength_px=[8, 6],
        sigma_px=[4, 2.5],
        phase_deg=[0, 70],
    )
    assert pairs.shape == (2, 2, *SIZE)
    assert np.allclose((pairs**2).sum(axis=(2, 3)), 1)
    assert np.allclose(pairs.sum(axis=(2, 3)), 0, atol=1e-12)
    even, odd = pairs[0]
    assert np.allclose(even, even[::-1, ::-1]) and np.allclose(odd, -odd[::-1, ::-1])


def test_the_second_filter_lags_the_first_by_90_degrees():
    place = {"centre_px": [20, 20], "orientation_deg": 30, "wavelength_px": 8, "sigma_px": 4}
    pair = gabor_pair(SIZE, **place, phase_deg=50)
    lagging = gabor_pair(SIZE, **place, phase_deg=-40)
    assert np.allclose(pair[1], lagging[0])


def test_gabor_pair_prefers_its_orientation_and_wavelength_at_every_phase():
    pair = gabor_pair(
        SIZE, centre_px=[20, 20], orientation_deg=60, wavelength_px=8, sigma_px=4
    ).reshape(2, -1)
    orientation, wavelength = np.arange(0, 180, 15.0), np.array([4, 5.6, 8, 11.3, 16])

    def energy(**parameters):
        gratings = sine_grating(SIZE, **parameters)
        return ((gratings.reshape(*gratings.shape[:-2], -1) @ pair.T) ** 2).sum(axis=-1)

    turned = energy(wavelength_px=8, orientation_deg=orientation, phase_deg=0)
    assert orientation[turned.argmax()] == 60
    assert turned[orientation == 150] < 0.01 * turned.max()
    scaled = energy(wavelength_px=wavelength, orientation_deg=60, phase_deg=0)
    assert wavelength[scaled.argmax()] == 8
    shifted = energy(wavelength_px=8, orientation_deg=60, phase_deg=np.arange(0, 360, 30))
    assert np.ptp(shifted) < 0.02 * shifted.mean()


def test_centre_surround_filter_prefers_the_wavelength_it_was_made_for_at_any_orientation():
    sigma = centre_sigma(9.0, 1.6)
    on, off = difference_of_gaussians(
        SIZE,
        centre_px=[[20, 20], [20, 20]],
        sigma_px=[sigma, sigma],
        surround_ratio=1.6,
        polarity=[1, -1],
    )
    assert on[20, 20] > 0 and np.array_equal(on, -off)
    assert (on**2).sum() == pytest.approx(1) and on.sum() == pytest.approx(0, abs=1e-12)
    wavelength = np.arange(5, 16, 0.5)
    gratings = sine_grating(SIZE, wavelength_px=wavelength, orientation_deg=20, phase_deg=0)
    assert wavelength[np.tensordot(gratings, on).argmax()] == pytest.approx(9, abs=0.5)
    turned = sine_grating(SIZE, wavelength_px=9, orientation_deg=np.arange(0, 180, 15), phase_deg=0)
    assert np.ptp(np.tensordot(turned, on)) < 0.02 * np.tensordot(turned, on).mean()


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="sigma_px must be positive"):
        gabor_pair(SIZE, centre_px=[0, 0], orientation_deg=0, wavelength_px=5, sigma_px=0)
