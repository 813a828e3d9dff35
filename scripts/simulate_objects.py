"""Simulate labelled images of drawn objects in the layout of Tiny-ImageNet-200."""

import logging
import zipfile
from pathlib import Path

import numpy as np

from v1lib.files import atomic, write_npz
from v1lib.pictures import encoded
from v1lib.simulation.objects import (
    ObjectClass,
    Painter,
    Scene,
    Settings,
    classes_as_arrays,
    drawn_classes,
    settings_of,
)
from v1lib.steps import Output

log = logging.getLogger(__name__)

TOP = "tiny-imagenet-200"
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # equal content, equal bytes

# Attributes of a scene that the truth keeps for every image.
_KEPT = ("centre", "radius", "rotation", "hue", "part_hue", "covered")


def main(*, archive: Output, truth: Output, settings: dict) -> None:
    """Write a simulated zip of pictures in the layout of Tiny-ImageNet-200, and its ground truth.

    The same settings give the same bytes; one image is in memory at a time.

    Args:
        archive: zip, as published; there is no ``test/``, whose labels are not public.
        truth: ``.npz`` with the attributes of ``ObjectClass`` (``class_…``, each [n_classes]), and
            of both parts, with their names and a slash before theirs, ``label`` [n_images] and
            what varies from image to image (``Scene``), in the order of the packed images.
        settings: see ``v1lib.simulation.objects.Settings``.
    """
    settings = settings_of(settings)
    classes = drawn_classes(settings)
    arrays = classes_as_arrays(classes)
    with atomic(archive) as part:
        with zipfile.ZipFile(part, "w") as packed:
            for name in ("train", "validation"):
                scenes = _write_part(packed, name, classes, settings)
                arrays |= _scenes_as_arrays(name, scenes, settings)
                log.info("%s: %d images of %d classes", name, len(scenes), len(classes))
            names = "".join(f"{a.name}\n" for a in classes)
            words = "".join(f"{a.name}\t{a.description}, simulated\n" for a in classes)
            _write(packed, "wnids.txt", names.encode())
            _write(packed, "words.txt", words.encode())
        write_npz(truth, simulated=True, source_kind="simulated", **arrays)


def _write_part(
    packed: zipfile.ZipFile, name: str, classes: list[ObjectClass], settings: Settings
) -> list[Scene]:
    """Write the images of a part and their boxes; what is in each, by class and file name."""
    painter = Painter(settings)
    n_images = settings.n_images[name]
    scenes, annotations = [], []
    for label, of in enumerate(classes):
        boxes = []
        for number in range(n_images):
            image, scene = painter.image(of, name, number)
            # Names of equal length, so that their order is that of the numbers.
            file = f"{of.name}_{number:05d}.JPEG"
            if name == "validation":
                file = f"val_{label * n_images + number:06d}.JPEG"
            box = "\t".join(map(str, _box(scene, settings.size_px)))
            boxes.append(f"{file}\t{box}\n")
            annotations.append(f"{file}\t{of.name}\t{box}\n")
            folder = "val" if name == "validation" else f"train/{of.name}"
            _write(packed, f"{folder}/images/{file}", encoded(image, quality=settings.quality))
            scenes.append(scene)
        if name == "train":
            _write(packed, f"train/{of.name}/{of.name}_boxes.txt", "".join(boxes).encode())
    if name == "validation":
        _write(packed, "val/val_annotations.txt", "".join(annotations).encode())
    return scenes


def _box(scene: Scene, size_px: int) -> list[int]:
    """Left, top, right and bottom of a square about the object, in pixels."""
    row, column = scene.centre
    ends = (column - scene.radius, row - scene.radius, column + scene.radius, row + scene.radius)
    return [int(np.clip(end * size_px, 0, size_px - 1)) for end in ends]


def _scenes_as_arrays(name: str, scenes: list[Scene], settings: Settings) -> dict[str, np.ndarray]:
    label = np.repeat(np.arange(settings.n_classes), settings.n_images[name])
    arrays = {key: np.array([getattr(scene, key) for scene in scenes]) for key in _KEPT}
    return {f"{name}/{key}": array for key, array in ({"label": label} | arrays).items()}


def _write(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(str(Path(TOP) / name), date_time=_FIXED_TIME)
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, content)
