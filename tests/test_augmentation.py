"""Training views: as Pillow resizes, as torchvision draws, and the same after each resume."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from v1lib.augmentation import (
    Augmentation,
    Boxes,
    CropSettings,
    drawn_boxes,
    normalised,
    resized,
)
from v1lib.pictures import squeezed
from v1lib.simulation.images import dead_leaves

IMAGES = torch.randint(0, 256, (6, 40, 52, 3), dtype=torch.uint8, generator=torch.manual_seed(1))
PAPER = CropSettings(scale=(0.08, 1.0), aspect=(3 / 4, 4 / 3), through_px=224)


def boxes_of(*pixels, height=40, width=52):
    """Boxes given as (top, bottom, left, right) in pixels."""
    top, bottom, left, right = torch.tensor(pixels, dtype=torch.float32).T
    return Boxes(top / height, bottom / height, left / width, right / width)


def generator(seed):
    return torch.Generator().manual_seed(seed)


BOXES = [(0, 40, 0, 52), (3, 35, 10, 50), (0, 12, 40, 52), (7, 24, 0, 33)]


@pytest.mark.parametrize("through_px", [None, 30])
@pytest.mark.parametrize("size_px", [8, 64])
@pytest.mark.parametrize("box", BOXES)
def test_crops_of_whole_pixels_are_resized_as_pillow_does(box, size_px, through_px):
    ours = resized(IMAGES[:1], boxes_of(box), size_px=size_px, through_px=through_px)
    top, bottom, left, right = box
    image = Image.fromarray(IMAGES[0].numpy()).crop((left, top, right, bottom))
    for side in (through_px, size_px):
        if side:
            image = image.resize((side, side), Image.Resampling.BILINEAR)
    ours = (ours[0].permute(1, 2, 0).numpy() + 1) * 127.5
    # Pillow rounds to whole numbers along each axis.
    assert np.abs(ours - np.asarray(image, dtype=float)).max() <= (2.6 if through_px else 1.3)


def test_each_image_has_its_own_crop():
    together = resized(IMAGES[:4], boxes_of(*BOXES), size_px=16, through_px=None)
    for number, box in enumerate(BOXES):
        alone = resized(IMAGES[number : number + 1], boxes_of(box), size_px=16, through_px=None)
        assert torch.allclose(together[number], alone[0], atol=1e-6)


def test_a_uniform_image_stays_uniform_in_every_crop():
    augmentation = Augmentation(size_px=16, crop=PAPER, flip=0.5)
    images = torch.full((50, 20, 20, 3), 51, dtype=torch.uint8)
    views = augmentation.training(images, generator(3), aspect=torch.linspace(0.4, 3, 50))
    assert views.shape == (50, 3, 16, 16) and views.dtype == torch.float32
    assert torch.allclose(views, torch.tensor(51 / 127.5 - 1), atol=1e-5)


def test_values_are_normalised_as_published():
    images = torch.tensor([0, 255, 128], dtype=torch.uint8).reshape(1, 1, 1, 3)
    expected = (images[0, 0, 0] / 255 - 0.5) / 0.5
    assert torch.allclose(normalised(images).ravel(), expected, atol=1e-6)


def test_crops_are_distributed_as_torchvision_draws_them():
    proportions = torch.tensor([1.0, 1.5, 0.6]).repeat_interleave(8_000)
    boxes = drawn_boxes(PAPER, proportions, generator(0))
    width, height = boxes.right - boxes.left, boxes.bottom - boxes.top
    for place in (boxes.top, boxes.left):
        assert place.min() >= 0
    assert max(boxes.bottom.max(), boxes.right.max()) <= 1 + 1e-6
    area, aspect = width * height, width / height * proportions
    assert 0.08 - 1e-4 <= area.min() and area.max() <= 1 + 1e-5
    assert 3 / 4 - 1e-4 <= aspect.min() and aspect.max() <= 4 / 3 + 1e-4
    expected = np.array(
        [reference_crop(ratio, np.random.default_rng(5)) for ratio in (1, 1.5, 0.6)]
    )
    for number in range(3):
        ours = torch.stack([area, aspect.log(), boxes.top, boxes.left])
        ours = ours[:, 8_000 * number : 8_000 * (number + 1)].numpy()
        for quantile in (0.1, 0.5, 0.9):
            found = np.quantile(ours, quantile, axis=1)
            assert found == pytest.approx(np.quantile(expected[number], quantile, axis=1), abs=0.02)


def reference_crop(ratio, rng, n_images=8_000):
    """Literally as torchvision, in pixels of a large image: area, log aspect, top, left."""
    height, width = 3000, round(3000 * ratio)
    crops = []
    for _ in range(n_images):
        for _ in range(10):
            target = height * width * rng.uniform(0.08, 1.0)
            aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
            w, h = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
            if 0 < w <= width and 0 < h <= height:
                i, j = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
                break
        else:
            continue  # hardly ever; then the middle is taken
        crops.append((w * h / (width * height), math.log(w / h), i / height, j / width))
    return np.array(crops).T


@pytest.mark.parametrize(
    ("ratio", "width", "height"), [(30.0, 4 / 3 / 30, 1.0), (0.02, 1, 0.02 / 0.75)]
)
def test_where_no_crop_fits_the_middle_is_taken(ratio, width, height):
    crop = CropSettings(scale=(0.9, 1.0), aspect=(3 / 4, 4 / 3))
    boxes = drawn_boxes(crop, torch.tensor([ratio]), generator(0))
    assert float(boxes.right - boxes.left) == pytest.approx(width)
    assert float(boxes.bottom - boxes.top) == pytest.approx(height)
    assert float(boxes.top + boxes.bottom) == pytest.approx(1)


def test_half_of_the_images_are_mirrored():
    augmentation = Augmentation(size_px=4, crop=None, flip=0.5)
    image = torch.randint(0, 256, (1, 4, 4, 3), dtype=torch.uint8, generator=generator(2))
    views = augmentation.training(image.expand(2000, -1, -1, -1), generator(4))
    plain = normalised(image)
    mirrored = (views == plain.flip(3)).all((1, 2, 3))
    assert ((views == plain).all((1, 2, 3)) | mirrored).all()
    assert 0.45 < mirrored.float().mean() < 0.55
    always = Augmentation(size_px=4, crop=None, flip=1.0).training(image, generator(0))
    assert torch.equal(always, plain.flip(3))


def test_the_state_of_the_generator_decides_the_views():
    augmentation = Augmentation(size_px=16, crop=PAPER, flip=0.5)
    source = generator(7)
    first = augmentation.training(IMAGES, source)
    state = source.get_state()
    second = augmentation.training(IMAGES, source)
    assert not torch.equal(first, second)
    source.set_state(state)
    assert torch.equal(augmentation.training(IMAGES, source), second)
    assert torch.equal(augmentation.training(IMAGES, generator(7)), first)


def test_evaluation_draws_nothing():
    augmentation = Augmentation(size_px=40, crop=PAPER, flip=1.0)
    images = IMAGES[:, :, :40]
    assert torch.equal(augmentation.evaluation(images), normalised(images))
    with pytest.raises(ValueError, match=r"images have \(40, 52\) px, the network takes 40"):
        augmentation.evaluation(IMAGES)


def test_crops_of_squeezed_pictures_are_close_to_those_of_the_files():
    leaves = dead_leaves(np.random.default_rng(3), 3, (240, 360), n_leaves=150)
    picture = Image.fromarray((255 * leaves).astype(np.uint8).transpose(1, 2, 0))
    boxes = drawn_boxes(PAPER, torch.full((40,), 1.5), generator(2))
    whole = torch.from_numpy(np.array(picture))[None].expand(40, -1, -1, -1)
    from_file = resized(whole, boxes, size_px=64, through_px=224)
    distance = {}
    for size_px in (64, 128, 200):
        small, aspect = squeezed(picture, size_px=size_px)
        assert aspect == 1.5
        small = torch.from_numpy(np.array(small))[None].expand(40, -1, -1, -1)
        found = resized(small, boxes, size_px=64, through_px=224)
        distance[size_px] = float((found - from_file).square().mean().sqrt() / from_file.std())
    assert distance[200] < distance[128] < 0.1 and distance[128] < 0.6 * distance[64]


def test_the_aspect_of_the_original_decides_what_fits():
    """Of a squeezed image four times as wide as high, no crop is wider than a third."""
    boxes = drawn_boxes(PAPER, torch.full((500,), 4.0), generator(1))
    assert (boxes.right - boxes.left).max() <= 1 / 3 + 1e-5
    assert (boxes.bottom - boxes.top).max() > 0.9


@pytest.mark.parametrize(
    "images",
    [IMAGES.float(), IMAGES[..., 0], IMAGES.permute(0, 3, 1, 2)],
    ids=["float", "grey", "chw"],
)
def test_other_arrays_are_refused(images):
    with pytest.raises(ValueError, match=r"expected torch\.uint8 \(n, height, width, 3\)"):
        Augmentation(size_px=40, crop=None, flip=0.5).training(images, generator(0))


@pytest.mark.parametrize("scale", [(0.0, 1.0), (0.5, 1.2), (0.9, 0.5)])
def test_crops_that_cannot_be_drawn_are_refused(scale):
    with pytest.raises(ValueError, match="cannot be drawn"):
        CropSettings(scale=scale, aspect=(1, 1))
    with pytest.raises(ValueError, match="flip is 2"):
        Augmentation(size_px=4, crop=None, flip=2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_views_are_the_same_on_a_gpu():
    augmentation = Augmentation(size_px=16, crop=PAPER, flip=0.5)
    on_cpu = augmentation.training(IMAGES, generator(1))
    on_gpu = augmentation.training(IMAGES.cuda(), generator(1))
    assert on_gpu.device.type == "cuda"
    assert torch.allclose(on_gpu.cpu(), on_cpu, atol=5e-3)
