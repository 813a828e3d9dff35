"""From labelled images to a corrupted data set: its parts, its label, its errors."""

import numpy as np
import pytest

import corrupt_images
from v1lib.labelled_images import new_labelled, open_labelled

SETTINGS = {
    **{"part": "validation", "corruptions": ["snow", "shot_noise"], "severities": [1, 4]},
    **{"seed": 3, "quality": 85},
}


@pytest.fixture
def clean(tmp_path):
    rng = np.random.default_rng(1)
    about = {"dataset": "clean", "source_kind": "real", "classes": ["a", "b", "c"]}
    with (
        new_labelled(tmp_path / "clean", **about) as writer,
        writer.part("validation", (64, 64)) as part,
    ):
        for label in (0, 0, 1, 2, 2):
            part.add(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), label)
    return tmp_path / "clean"


def corrupt(clean, *, threads=1, name="corrupted", **settings):
    images = clean.parent / name
    corrupt_images.main(
        clean=clean, images=images, dataset=name, settings=SETTINGS | settings, threads=threads
    )
    return open_labelled(images)


def test_every_corruption_and_severity_is_a_part(clean):
    found = corrupt(clean)
    assert list(found.parts) == ["snow-1", "snow-4", "shot_noise-1", "shot_noise-4"]
    assert found.generated and found.source_kind == "real" and found.classes == ["a", "b", "c"]
    images = open_labelled(clean).parts["validation"].images
    for part in found.parts.values():
        assert part.labels.tolist() == [0, 0, 1, 2, 2] and part.images.shape == (5, 64, 64, 3)
        assert all((a != b).any() for a, b in zip(part.images, images, strict=True))


def test_processes_and_blocks_change_nothing_and_the_seed_does(clean, monkeypatch):
    alone = corrupt(clean)
    monkeypatch.setattr(corrupt_images, "IMAGES_AT_A_TIME", 2)
    shared = corrupt(clean, threads=2, name="shared")
    other = corrupt(clean, name="other", seed=4)
    for name, part in alone.parts.items():
        assert np.array_equal(part.images, shared.parts[name].images)
        assert not np.array_equal(part.images, other.parts[name].images)


def test_images_go_through_compression_as_the_published_ones_did(clean):
    settings = {"corruptions": ["contrast"], "severities": [1]}
    plain = corrupt(clean, name="plain", quality=None, **settings).parts["contrast-1"].images
    stored = corrupt(clean, name="stored", **settings).parts["contrast-1"].images
    assert 0 < np.abs(stored.astype(float) - plain).mean() < 25


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"part": "test"}, r"has no part 'test', but \['validation'\]"),
        ({"corruptions": ["snow", "rain"]}, "corruption is 'rain'"),
        ({"severities": [0]}, "severity is 0"),
    ],
)
def test_mistakes_are_found_before_anything_is_made(clean, settings, match):
    with pytest.raises(ValueError, match=match):
        corrupt(clean, **settings)
    assert not (clean.parent / "corrupted").exists()
