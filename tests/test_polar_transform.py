"""Cortical magnification against the recorded original; its two forms against each other."""

import numpy as np
import pytest
import torch

from v1lib import polar_transform
from v1lib.polar_transform import PolarTransform

EDGES = [*range(15), 16, 18, 20, 23]
CASES = {  # name of the case: side, output side, gaps are filled
    "polar_transform_model_setting": (32, 16, True),
    "polar_transform_small": (12, 8, True),
    "polar_transform_small_no_interpolation": (12, 8, False),
}


@pytest.fixture(params=CASES)
def recorded(request, golden, monkeypatch):
    """A recorded case, and what builds its transform.

    The small cases have places on the very edges of sectors, which rounding of the angle, and so
    the processor, decides: there the recorded angles are taken.
    """
    case = golden(f"pogoncheff2023/{request.param}.npz")
    case = {key: torch.as_tensor(value) for key, value in case.items()}
    side, output_side, fill_gaps = CASES[request.param]
    distance, angle = polar_transform.polar_coordinates(side)
    torch.testing.assert_close(distance, case["pixel_distance"])
    torch.testing.assert_close(angle, case["pixel_angle"])
    if side == 12:
        coordinates = case["pixel_distance"], case["pixel_angle"]
        monkeypatch.setattr(polar_transform, "polar_coordinates", lambda _: coordinates)

    def build(**options):
        edges, n_angles = case["radius_bins"].tolist(), int(case["n_angles"])
        return PolarTransform(side, output_side, edges, n_angles, fill_gaps=fill_gaps, **options)

    return case, build


def test_masks_are_the_original_ones_in_half_precision(recorded):
    case, build = recorded
    transform = build()
    assert torch.equal(transform.masks.flatten(0, 1), case["pooling_masks_half"])
    assert torch.equal(transform.counts.flatten(), case["pooling_mask_counts_half"])
    expected = case["polar_map_after_padding_before_resize"]
    torch.testing.assert_close(transform.polar_map(case["x"]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["masks", "matrix"])
def test_the_original(recorded, form):
    case, build = recorded
    for antialias in (False, True):
        transform = build(antialias=antialias)
        transform.form = form
        expected = case[f"output_antialias_{str(antialias).lower()}"]
        torch.testing.assert_close(transform(case["x"]), expected, rtol=1e-4, atol=1e-5)
    transform, x = build(), case["x"].clone().requires_grad_()
    transform.form = form
    transform(x).backward(case["grad_seed_antialias_false"])
    torch.testing.assert_close(x.grad, case["grad__x"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("pad_radius", [False, True])
def test_the_forms_agree(antialias, pad_radius):
    torch.manual_seed(0)
    options = {"antialias": antialias, "pad_radius": pad_radius}
    transform = PolarTransform(32, 16, EDGES, 30, **options)
    upstream = torch.randn(3, 5, 16, 16)
    found = []
    for form in ("masks", "matrix"):
        transform.form = form
        maps = torch.randn(3, 5, 32, 32, generator=torch.Generator().manual_seed(1))
        output = transform(maps.requires_grad_())
        found.append((output.detach(), torch.autograd.grad(output, maps, upstream)[0]))
    for masks, matrix in zip(*found, strict=True):
        torch.testing.assert_close(masks, matrix, rtol=1e-4, atol=2e-6)
    lower = transform(maps.detach().bfloat16().float())
    with torch.autocast("cpu", dtype=torch.bfloat16):  # the whole matrix, not its sparse form
        whole = transform(maps.detach().bfloat16())
    assert whole.dtype == torch.bfloat16
    torch.testing.assert_close(whole.float(), lower, rtol=0.02, atol=0.02)


def test_values_of_the_reference():
    image = 0.1 * torch.arange(32.0)[:, None] + 0.01 * torch.arange(32.0)
    transform = PolarTransform(32, 16, EDGES, 30)
    rings = transform.polar_map(image[None, None])[0, 0, :, 1:-1]
    columns = [0, 7, 15, 22, 29]
    np.testing.assert_allclose(rings[0], 1.76, atol=1e-5)
    for ring, expected in {
        1: [1.77, 1.665, 1.71333, 1.855, 1.87],
        5: [1.76, 1.26, 1.76, 2.26, 1.91],
        12: [1.78, 0.56, 1.74, 2.96, 2.03],
        15: [1.31, 0.17077, 1.14933, 3.065, 2.51],
        17: [0, 0, 0, 0, 0],
    }.items():
        np.testing.assert_allclose(
            rings[ring, columns], expected, atol=1e-4, err_msg=f"ring {ring}"
        )
    output = transform(image[None, None])[0, 0]
    columns = [0, 4, 8, 15]
    expected = [1.76063, 1.75397, 1.75791, 1.76687]
    np.testing.assert_allclose(output[0, columns], expected, atol=1e-5)
    expected = [1.68938, 0.95875, 1.83063, 2.01437]
    np.testing.assert_allclose(output[7, columns], expected, atol=1e-5)
    assert output.mean().item() == pytest.approx(1.604360, abs=1e-5)
    smooth = PolarTransform(32, 16, EDGES, 30, antialias=True)(image[None, None])
    assert smooth.mean().item() == pytest.approx(1.610883, abs=1e-5)


def test_places_and_sectors_of_the_rings():
    masks = polar_transform.polar_masks(32, EDGES, 30, fill_gaps=False)
    n_places = masks.sum((1, 2, 3)).int().tolist()
    expected = [1, 8, 16, 20, 24, 40, 36, 48, 56, 56, 68, 64, 80, 92, 184, 134, 68, 29]
    assert n_places == expected and sum(expected) == 32 * 32  # none is lost
    n_sectors = masks.any(3).any(2).sum(1).tolist()
    assert n_sectors == [1, 8, 16, 20, 24, *[30] * 10, 25, 14, 6]
    filled = polar_transform.polar_masks(32, EDGES, 30, fill_gaps=True)
    assert filled.any(3).any(2).sum(1).tolist() == [*[30] * 16, 14, 6]


@pytest.mark.parametrize(
    ("edges", "message"), [([0, 2, 2, 3], "must increase"), ([0, 1.1, 1.3, 3], "from 1.1 to 1.3")]
)
def test_edges_that_make_no_rings_are_named(edges, message):
    with pytest.raises(ValueError, match=message):
        PolarTransform(8, 4, edges, 6)


def test_an_unknown_form_is_named():
    transform = PolarTransform(8, 4, [0, 1, 2, 6], 6)
    transform.form = "mask"
    with pytest.raises(ValueError, match="'mask'"):
        transform(torch.zeros(1, 1, 8, 8))
