"""Drawn objects of known classes on textured grounds, a counterpart of photographs of objects.

A class is an outline (a polygon, star, flower or bean with a number of corners or petals and an
elongation), a texture within it (stripes, rings, dots or checks of some period), smaller parts that
stand around it or one that is set into it, and two hues that are more common in it than others.
Everything else varies from image to image: place, size, rotation, colours, light, ground, what
occludes the object, and noise. An image is drawn at its final size, edges are a pixel wide.

Equal settings give equal images; each image has a stream of random numbers of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from v1lib.simulation.images import pink_noise
from v1lib.simulation.settings import settings_from
from v1lib.splits import stream

OUTLINES = ("polygon", "star", "flower", "bean")
TEXTURES = ("plain", "stripes", "rings", "dots", "checks")
ARRANGEMENTS = ("none", "around", "inset")
CORNERS = (3, 6)  # fewest and most of polygons, stars and flowers
PART_NUMBERS = (2, 4)
PERIOD = (0.35, 0.75)  # of a texture, in radii of the object
N_GROUNDS = 64  # noise fields that grounds are cut out of


@dataclass(frozen=True)
class NuisanceSettings:
    """How much images of a class differ; 0 or equal ends switch a variation off.

    Attributes:
        radius: smallest and largest radius of an object, as a share of the side of the image.
        place: largest distance of its centre from that of the image, as a share of the side.
        rotation_deg: largest rotation to either side.
        hue: standard deviation of the hue around that of the class, in turns.
        light: largest change of brightness from the middle of the image to its border.
        ground: standard deviation of the ground's texture, in units of full brightness.
        occluded_share: of the images in which something covers a part of the object.
        noise: standard deviation of the pixel noise.
    """

    radius: list[float]
    place: float
    rotation_deg: float
    hue: float
    light: float
    ground: float
    occluded_share: float
    noise: float

    def __post_init__(self) -> None:
        low, high = self.radius
        if not 0 < low <= high <= 0.5 or not 0 <= self.occluded_share <= 1:
            raise ValueError(f"nuisance.radius is {self.radius} or occluded_share is not a share")


@dataclass(frozen=True)
class Settings:
    """Everything that decides a simulated collection.

    Attributes:
        seed: of all random draws.
        n_classes: how many.
        n_images: number of images of each class by part, ``train`` and ``validation``.
        size_px: side of the images.
        quality: of the compression of the files.
        nuisance: see its class.
    """

    seed: int
    n_classes: int
    n_images: dict[str, int]
    size_px: int
    quality: int
    nuisance: NuisanceSettings

    def __post_init__(self) -> None:
        if sorted(self.n_images) != ["train", "validation"] or min(self.n_images.values()) < 1:
            raise ValueError(f"n_images is {self.n_images}, expected train and validation, some")
        if not 2 <= self.n_classes <= len(_looks()):
            raise ValueError(f"n_classes is {self.n_classes}, expected 2 to {len(_looks())}")


def settings_of(values: Mapping) -> Settings:
    """Settings from a configuration entry.

    Raises:
        ValueError: a key is unknown or missing, or a value is not allowed; the message names it.
    """
    return settings_from(Settings, values, {"nuisance": NuisanceSettings})


@dataclass(frozen=True)
class ObjectClass:
    """What images of one class have in common.

    Attributes:
        name: of its folder.
        outline, texture, arrangement: of ``OUTLINES``, ``TEXTURES``, ``ARRANGEMENTS``.
        corners: of the outline, or its petals.
        depth: of the notches between them, as a share of the radius.
        elongation: longest over shortest diameter.
        period: of the texture, in radii.
        direction: of the texture to the object's own axis, in radians.
        n_parts: around the object.
        part_corners: of the outline of the parts.
        hue, part_hue: the most common ones, 0 to 1.
    """

    name: str
    outline: str
    texture: str
    arrangement: str
    corners: int
    depth: float
    elongation: float
    period: float
    direction: float
    n_parts: int
    part_corners: int
    hue: float
    part_hue: float

    @property
    def description(self) -> str:
        """In words, for the list of classes."""
        parts = {"none": "", "around": f" with {self.n_parts} parts", "inset": " with an inset"}
        of = "" if self.outline == "bean" else f" of {self.corners}"
        return f"{self.texture} {self.outline}{of}{parts[self.arrangement]}"


@dataclass(frozen=True)
class Scene:
    """What an image has of its own.

    Attributes:
        centre: row and column of the object, in units of the side.
        radius: of the object, in the same units.
        rotation: in radians.
        hue, part_hue, ground_hue: 0 to 1.
        covered: whether something lies before the object.
    """

    centre: tuple[float, float]
    radius: float
    rotation: float
    hue: float
    part_hue: float
    ground_hue: float
    covered: bool


def drawn_classes(settings: Settings) -> list[ObjectClass]:
    """Classes that differ in outline, texture or arrangement of parts, as many as asked for."""
    rng = np.random.default_rng(stream("objects", "classes", settings.seed))
    looks = _looks()
    chosen = rng.permutation(len(looks))[: settings.n_classes]
    return [
        ObjectClass(
            name=f"simulated{number:04d}",
            **dict(zip(("outline", "texture", "arrangement"), looks[look], strict=True)),
            corners=int(rng.integers(*CORNERS, endpoint=True)),
            depth=rng.uniform(0.3, 0.5),
            elongation=rng.uniform(1.0, 1.6),
            period=rng.uniform(*PERIOD),
            direction=rng.uniform(0, np.pi),
            n_parts=int(rng.integers(*PART_NUMBERS, endpoint=True)),
            part_corners=int(rng.integers(*CORNERS, endpoint=True)),
            hue=rng.random(),
            part_hue=rng.random(),
        )
        for number, look in enumerate(chosen)
    ]


def _looks() -> list[tuple[str, str, str]]:
    return [(o, t, a) for o in OUTLINES for t in TEXTURES for a in ARRANGEMENTS]


def classes_as_arrays(classes: list[ObjectClass]) -> dict[str, np.ndarray]:
    """Attributes of all classes, each [n_classes], with ``class_`` before their names."""
    names = [entry.name for entry in fields(ObjectClass)]
    return {f"class_{name}": np.array([getattr(c, name) for c in classes]) for name in names}


class Painter:
    """Draws images of given classes.

    Args:
        settings: of the collection.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        side = settings.size_px
        self._row, self._column = (np.indices((side, side)) + 0.5) / side
        rng = np.random.default_rng(stream("objects", "grounds", settings.seed))
        fields_ = pink_noise(rng, N_GROUNDS, (side, side))
        self._grounds = fields_ / fields_.std(axis=(1, 2), keepdims=True)

    def image(self, of: ObjectClass, part: str, number: int) -> tuple[np.ndarray, Scene]:
        """An image of a class: the ``number``-th of a part.

        Returns:
            uint8 [size_px, size_px, 3], and what varies from image to image.
        """
        key = (part, of.name, number)
        rng = np.random.default_rng(stream("objects", "image", self.settings.seed, *key))
        scene = self._scene(of, rng)
        image = self._ground(scene.ground_hue, rng)
        for colour, where in self._object(of, scene, rng):
            image += where[..., None] * (colour - image)
        if scene.covered:
            self._cover(image, scene, rng)
        image *= self._light(rng)[..., None]
        image += self.settings.nuisance.noise * rng.standard_normal(image.shape)
        return np.rint(255 * image.clip(0, 1)).astype(np.uint8), scene

    def _scene(self, of: ObjectClass, rng: np.random.Generator) -> Scene:
        nuisance = self.settings.nuisance
        rotation = np.deg2rad(nuisance.rotation_deg)
        return Scene(
            centre=tuple(0.5 + nuisance.place * rng.uniform(-1, 1, 2)),
            radius=rng.uniform(*nuisance.radius),
            rotation=rng.uniform(-rotation, rotation),
            hue=(of.hue + nuisance.hue * rng.standard_normal()) % 1,
            part_hue=(of.part_hue + nuisance.hue * rng.standard_normal()) % 1,
            ground_hue=rng.random(),
            covered=rng.random() < nuisance.occluded_share,
        )

    def _ground(self, hue: float, rng: np.random.Generator) -> np.ndarray:
        """Cloudy ground between two colours, each time another piece of another cloud."""
        cloud = self._grounds[rng.integers(N_GROUNDS)]
        cloud = np.roll(cloud, rng.integers(0, len(cloud), 2), axis=(0, 1))
        level = rng.uniform(0.35, 0.65) + self.settings.nuisance.ground * cloud
        return level[..., None] * _colour(hue, saturation=rng.uniform(0.1, 0.5), value=1.4)

    def _object(
        self, of: ObjectClass, scene: Scene, rng: np.random.Generator
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Colours and where they are, one over the other."""
        x, y = self._own_axes(scene)
        body = self._inside(x / of.elongation, y, of, scene.radius)
        main = _colour(scene.hue, saturation=rng.uniform(0.5, 0.9), value=rng.uniform(0.7, 1.0))
        second = _colour(scene.part_hue, saturation=rng.uniform(0.5, 0.9), value=0.45)
        pattern = _pattern(of, x / scene.radius, y / scene.radius)
        layers = [(main, body), (second, body * pattern)]
        angles = 2 * np.pi * (np.arange(of.n_parts) + 0.25) / of.n_parts
        small = 0.38 * scene.radius
        if of.arrangement == "inset":
            layers.append((second[::-1], _soft(small - np.hypot(x, y), self.settings.size_px)))
        elif of.arrangement == "around":
            for angle in angles:
                distance = 1.05 * scene.radius * np.array([np.cos(angle), np.sin(angle)])
                u, v = x - distance[0], y - distance[1]
                reach = small * _outline("polygon", np.arctan2(v, u), of.part_corners, 0.0)
                layers.append((second, _soft(reach - np.hypot(u, v), self.settings.size_px)))
        return layers

    def _own_axes(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        down, right = self._row - scene.centre[0], self._column - scene.centre[1]
        cos, sin = np.cos(scene.rotation), np.sin(scene.rotation)
        return right * cos + down * sin, down * cos - right * sin

    def _inside(self, x: np.ndarray, y: np.ndarray, of: ObjectClass, radius: float) -> np.ndarray:
        reach = radius * _outline(of.outline, np.arctan2(y, x), of.corners, of.depth)
        return _soft(reach - np.hypot(x, y), self.settings.size_px)

    def _cover(self, image: np.ndarray, scene: Scene, rng: np.random.Generator) -> None:
        """A bar before the object, some way off its middle."""
        angle = rng.uniform(0, 2 * np.pi)
        across = (self._row - scene.centre[0]) * np.sin(angle)
        across += (self._column - scene.centre[1]) * np.cos(angle)
        middle, half = rng.uniform(0.3, 0.9) * scene.radius, rng.uniform(0.1, 0.3) * scene.radius
        where = _soft(half - np.abs(across - middle), self.settings.size_px)[..., None]
        image += where * (_colour(rng.random(), saturation=0.3, value=rng.random()) - image)

    def _light(self, rng: np.random.Generator) -> np.ndarray:
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, self.settings.nuisance.light)
        slope = (self._row - 0.5) * np.sin(angle) + (self._column - 0.5) * np.cos(angle)
        return 1 + 2 * strength * slope


def _soft(distance: np.ndarray, size_px: int) -> np.ndarray:
    """From 0 outside to 1 inside, over one pixel; ``distance`` inwards, in units of the side."""
    return (distance * size_px + 0.5).clip(0, 1)


def _outline(kind: str, angle: np.ndarray, corners: int, depth: float) -> np.ndarray:
    """Distance of an outline from the centre in each direction, at most 1."""
    if kind == "polygon":
        sector = np.pi / corners
        return np.cos(sector) / np.cos((angle % (2 * sector)) - sector)
    if kind == "star":
        return 1 - 2 * depth * np.abs((angle * corners / (2 * np.pi)) % 1 - 0.5)
    if kind == "flower":
        return 1 - depth * (0.5 - 0.5 * np.cos(corners * angle))
    return 1 - depth * (0.5 + 0.5 * np.sin(angle)) ** 2  # a bean: one flat side


def _pattern(of: ObjectClass, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where the second colour of the texture is, 0 to 1; x and y in radii of the object."""
    cos, sin = np.cos(of.direction), np.sin(of.direction)
    u, v = (x * cos + y * sin) / of.period, (y * cos - x * sin) / of.period
    waves = {
        "plain": lambda: np.full_like(u, -1.0),
        "stripes": lambda: np.sin(2 * np.pi * u),
        "rings": lambda: np.sin(2 * np.pi * np.hypot(u, v)),
        "dots": lambda: np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v) - 0.7,
        "checks": lambda: np.sin(2 * np.pi * u) * np.sin(2 * np.pi * v),
    }
    return (0.5 + 2 * waves[of.texture]()).clip(0, 1)


def _colour(hue: float, *, saturation: float, value: float) -> np.ndarray:
    """Red, green and blue of a hue (0 to 1 round the circle): [3]."""
    pure = (np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1).clip(0, 1)
    return value * (1 - saturation + saturation * pure)
