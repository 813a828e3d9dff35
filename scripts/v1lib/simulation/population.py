"""Simulated neurons of the primary visual cortex whose receptive fields are known.

Three types, all on the Weber contrast of the image, c = (image - background) / background:

* simple: a Gabor filter, half-rectified and squared;
* complex: the energy of a quadrature pair of Gabor filters (Adelson & Bergen 1985);
* unoriented: a round centre-surround filter, half-rectified and squared.

A response saturates: drive / (semi_saturation + suppression). The suppression of a cell with
divisive normalization is a pool of complex energies over all orientations at its place and
wavelength (Heeger 1992, Visual Neuroscience 9:181); that of any other cell is its own drive (Naka &
Rushton 1966), which no experiment can tell from a static output nonlinearity.
"""

from dataclasses import dataclass, field, fields, replace

import numpy as np

from v1lib.filters import difference_of_gaussians, gabor_pair

CELL_TYPES = ("simple", "complex", "unoriented")
SURROUND_RATIO = 1.6  # where a difference of Gaussians is closest to a Laplacian (Marr & Hildreth)
POOL_ORIENTATIONS_DEG = np.arange(0.0, 180.0, 22.5)


@dataclass(frozen=True)
class Cells:
    """Parameters of the receptive fields, one entry per neuron.

    Attributes:
        cell_type: str [n], one of ``CELL_TYPES``.
        centre_px: float [n, 2], row and column of the receptive field.
        orientation_deg: float [n], of the bars (``v1lib.stimuli``); NaN for unoriented cells.
        phase_deg: float [n]; 0 or 180 for the polarity of unoriented cells.
        wavelength_px: float [n], preferred wavelength.
        sigma_px: float [n], envelope of the Gabor; of the centre for unoriented cells.
        has_normalization: bool [n], suppressed by the pool, not by the own drive.
        semi_saturation: float [n], suppression that halves the largest response.
    """

    cell_type: np.ndarray
    centre_px: np.ndarray
    orientation_deg: np.ndarray
    phase_deg: np.ndarray
    wavelength_px: np.ndarray
    sigma_px: np.ndarray
    has_normalization: np.ndarray
    semi_saturation: np.ndarray

    def __len__(self) -> int:
        return len(self.cell_type)

    def filters(self, size_px: tuple[int, int]) -> np.ndarray:
        """Linear filters float64 [n, 2, height, width], Euclidean norm 1.

        First that of a simple or unoriented cell or the even one of a complex cell, second the
        one that lags by 90 degrees (zeros for unoriented cells).
        """
        filters = np.zeros((len(self), 2, *size_px))
        round_ = self.cell_type == "unoriented"
        filters[~round_] = gabor_pair(
            size_px,
            centre_px=self.centre_px[~round_],
            orientation_deg=self.orientation_deg[~round_],
            wavelength_px=self.wavelength_px[~round_],
            sigma_px=self.sigma_px[~round_],
            phase_deg=self.phase_deg[~round_],
        )
        filters[round_, 0] = difference_of_gaussians(
            size_px,
            centre_px=self.centre_px[round_],
            sigma_px=self.sigma_px[round_],
            surround_ratio=SURROUND_RATIO,
            polarity=np.cos(np.deg2rad(self.phase_deg[round_])),
        )
        return filters

    def pool_filters(self, size_px: tuple[int, int]) -> np.ndarray:
        """Gabor pairs of the pool of each cell with normalization, one per orientation.

        Their envelopes hold a wavelength whatever that of the cell: float64
        [n_normalized, n_orientations, 2, height, width].
        """
        wavelength = self.wavelength_px[self.has_normalization, None]
        return gabor_pair(
            size_px,
            centre_px=self.centre_px[self.has_normalization, None],
            orientation_deg=POOL_ORIENTATIONS_DEG,
            wavelength_px=wavelength,
            sigma_px=wavelength / 2,
        )


@dataclass(frozen=True)
class Population:
    """Neurons that respond: mean count = baseline + gain * drive / (semi_saturation + suppression).

    ``respond`` has no noise, so that experiments on a model can be checked on the neurons
    themselves.

    Attributes:
        cells: their receptive fields.
        size_px: (height, width) of the images they see.
        background: grey value of the uniform screen.
        gain, baseline: float [n], spikes per response window.
    """

    cells: Cells
    size_px: tuple[int, int]
    background: float
    gain: np.ndarray
    baseline: np.ndarray
    _filters: np.ndarray = field(init=False, repr=False, compare=False)
    _pool_filters: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.cells.cell_type) - set(CELL_TYPES))
        if unknown:
            raise ValueError(f"unknown cell type {unknown[0]!r}; allowed: {CELL_TYPES}")
        object.__setattr__(self, "_filters", self.cells.filters(self.size_px))
        object.__setattr__(self, "_pool_filters", self.cells.pool_filters(self.size_px))

    def receptive_fields(self) -> np.ndarray:
        """float64 [n, height, width]: linear filter of each cell, the even one of complex cells."""
        return self._filters[:, 0].copy()

    def respond(self, images: np.ndarray) -> np.ndarray:
        """Mean spike counts to raw grey images.

        Args:
            images: [n_images, 1, height, width] or [n_images, height, width].

        Returns:
            float64 [n_images, n_neurons], spikes per response window.

        Raises:
            ValueError: the images have another size.
        """
        drive = self.drive(images)
        suppression = self.suppression(images, drive)
        return self.baseline + self.gain * drive / (self.cells.semi_saturation + suppression)

    def drive(self, images: np.ndarray) -> np.ndarray:
        """Squared outputs of the filters before normalization: float64 [n_images, n_neurons]."""
        output = self._contrast(images) @ _as_columns(self._filters)
        first, second = np.moveaxis(output.reshape(len(images), -1, 2), 2, 0)
        is_complex = self.cells.cell_type == "complex"
        return np.where(is_complex, first**2 + second**2, np.maximum(first, 0) ** 2)

    def suppression(self, images: np.ndarray, drive: np.ndarray) -> np.ndarray:
        """Mean energy over the pool of a cell with normalization, else its own drive.

        Args:
            images: as in ``respond``.
            drive: float [n_images, n_neurons].

        Returns:
            float64 [n_images, n_neurons].
        """
        pooled = self.cells.has_normalization
        output = self._contrast(images) @ _as_columns(self._pool_filters)
        pairs = output.reshape(len(images), pooled.sum(), len(POOL_ORIENTATIONS_DEG), 2)
        suppression = drive.copy()
        suppression[:, pooled] = (pairs**2).sum(axis=3).mean(axis=2)
        return suppression

    def _contrast(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images, dtype=np.float64)
        if images.shape[1:] not in (self.size_px, (1, *self.size_px)):
            raise ValueError(
                f"images have shape {images.shape}, expected [n, 1, {self.size_px[0]}, "
                f"{self.size_px[1]}] (grey images of the size the neurons see)"
            )
        return images.reshape(len(images), -1) / self.background - 1

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Everything that ``population_of`` needs to build the population again."""
        arrays = {entry.name: getattr(self.cells, entry.name) for entry in fields(Cells)}
        arrays |= {"gain": self.gain, "baseline": self.baseline}
        return arrays | {"size_px": np.array(self.size_px), "background": np.array(self.background)}


def population_of(arrays: dict[str, np.ndarray]) -> Population:
    """The population written by ``Population.as_arrays``; other arrays are left alone.

    Raises:
        ValueError: an array is missing.
    """
    names = [*(entry.name for entry in fields(Cells)), "gain", "baseline", "size_px", "background"]
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ValueError(f"no population: array {missing[0]!r} is missing")
    return Population(
        Cells(**{entry.name: arrays[entry.name] for entry in fields(Cells)}),
        size_px=tuple(int(side) for side in arrays["size_px"]),
        background=float(arrays["background"]),
        gain=arrays["gain"],
        baseline=arrays["baseline"],
    )


def calibrated(
    cells: Cells,
    images: np.ndarray,
    *,
    background: float,
    mean_count: np.ndarray,
    baseline_share: np.ndarray,
) -> Population:
    """Give cells the gain at which they fire as often as asked to a set of images.

    Args:
        cells: receptive fields; ``semi_saturation`` in units of the mean suppression.
        images: [n_images, height, width], raw grey values.
        background: grey value of the uniform screen.
        mean_count: [n], spikes per response window, mean over the images.
        baseline_share: [n], share of it that does not depend on the image.

    Raises:
        ValueError: a cell does not respond to any image.
    """
    ones = np.ones(len(cells))
    population = Population(cells, images.shape[-2:], background, gain=ones, baseline=0 * ones)
    suppression = population.suppression(images, population.drive(images)).mean(axis=0)
    cells = replace(cells, semi_saturation=cells.semi_saturation * suppression)
    population = replace(population, cells=cells)
    mean_response = population.respond(images).mean(axis=0)
    if not (mean_response > 0).all():
        raise ValueError(
            f"cell {int(np.argmin(mean_response))} does not respond to any of the {len(images)} "
            "images; simulate more images or another seed"
        )
    gain = mean_count * (1 - baseline_share) / mean_response
    return replace(population, gain=gain, baseline=mean_count * baseline_share)


def spike_counts(rng: np.random.Generator, expected: np.ndarray, n_repeats: int) -> np.ndarray:
    """Poisson counts of single trials.

    Args:
        rng: source of randomness.
        expected: [...], mean spike counts.
        n_repeats: presentations.

    Returns:
        uint8 [n_repeats, ...].

    Raises:
        ValueError: a count does not fit; the rates are far beyond those of a short window.
    """
    counts = rng.poisson(expected, size=(n_repeats, *expected.shape))
    largest = counts.max(initial=0)
    if largest > np.iinfo(np.uint8).max:
        raise ValueError(f"{largest} spikes in one window; lower the mean count")
    return counts.astype(np.uint8)


def _as_columns(filters: np.ndarray) -> np.ndarray:
    return filters.reshape(-1, filters.shape[-2] * filters.shape[-1]).T
