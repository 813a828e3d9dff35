"""Scores of networks on scans: one prediction at a time in memory, of one scan.

The responses stay on disk and are read for the images that are scored. What depends on them alone,
such as the oracle, is computed once for each scan and kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from v1lib.metrics import OF_RESPONSES, Evaluation, evaluate
from v1lib.models import TrainedModel
from v1lib.scans import ROWS_AT_A_TIME, Scan
from v1lib.splits import SPLIT_CODES

NEURONS_AT_ONCE = 1024  # so that single trials of many neurons fit into memory as float64

Values = dict[str, dict[str, np.ndarray]]  # by split and metric, each [n_neurons]


@dataclass(frozen=True)
class Measured:
    """Responses to the images that are scored.

    Attributes:
        repeats: float32 [n_repeats, n_images, n_neurons], NaN where there is no further trial.
        n_trials: int64 [n_images].
    """

    repeats: np.ndarray
    n_trials: np.ndarray


def measured(scan: Scan, images: np.ndarray, neurons: np.ndarray) -> Measured:
    """Single trials of some images and neurons; images may differ in their number of repeats.

    Args:
        scan: read for the trials of these images only.
        images: int64 [n_images], rows of the stimuli.
        neurons: int64 [n_neurons], columns of the responses.
    """
    place = np.full(len(scan.stimuli), -1)
    place[images] = np.arange(len(images))
    trials = np.flatnonzero(place[scan.image_index] >= 0)
    image = place[scan.image_index[trials]]
    order = np.argsort(image, kind="stable")
    trials, image = trials[order], image[order]
    n_trials = np.bincount(image, minlength=len(images))
    number = np.arange(len(trials)) - np.repeat(np.cumsum(n_trials) - n_trials, n_trials)
    shape = (n_trials.max(initial=0), len(images), len(neurons))
    repeats = np.full(shape, np.nan, dtype=np.float32)
    repeats[number, image] = scan.responses[trials].take(neurons, axis=1)
    return Measured(repeats, n_trials)


class ScanScorer:
    """Scores what networks predict of one scan.

    Args:
        scan: the scan.
        metrics: names of ``v1lib.metrics.METRICS`` by the split on whose images they are computed.
        fano: see ``v1lib.metrics.Evaluation``.
    """

    def __init__(
        self, scan: Scan, metrics: Mapping[str, Sequence[str]], *, fano: float = 1.0
    ) -> None:
        self.scan = scan
        self.metrics = metrics
        self.fano = fano
        self._known: dict[tuple[str, bytes], dict[str, np.ndarray]] = {}

    def values(self, trained: TrainedModel) -> Values | None:
        """The metrics of one network, for the neurons of the scan that it predicts, in its order.

        Returns:
            None where a prediction is not finite.

        Raises:
            ValueError: a split has no images, or no repeats for a metric that needs them.
        """
        part = trained.parts[self.scan.name]
        images = {split: np.flatnonzero(part.split == SPLIT_CODES[split]) for split in self.metrics}
        every = np.unique(np.concatenate(list(images.values())))
        predicted = trained.respond(self.scan.stimuli[every], self.scan.name)
        if not np.isfinite(predicted).all():
            return None
        found = {}
        for split, shown in images.items():
            if not len(shown):
                raise ValueError(f"scan {self.scan.name} has no {split} images to score")
            rows = np.searchsorted(every, shown)
            try:
                found[split] = self._of_split(split, trained, shown, predicted[rows])
            except ValueError as error:
                raise ValueError(f"scan {self.scan.name}, {split} images: {error}") from error
        return found

    def _of_split(
        self, split: str, trained: TrainedModel, images: np.ndarray, predicted: np.ndarray
    ) -> dict[str, np.ndarray]:
        part, names = trained.parts[self.scan.name], self.metrics[split]
        alone = self._of_responses(split, images)
        compared = [name for name in names if name not in OF_RESPONSES]
        baseline = np.full(len(part.neuron_index), np.nan)
        if "baseline_loss" in compared:
            training = np.flatnonzero(part.split == SPLIT_CODES["train"])
            baseline = mean_over_images(self.scan, training)[part.neuron_index]
        values = self._evaluated(compared, images, part.neuron_index, (predicted, baseline))
        values |= {name: known[part.neuron_index] for name, known in alone.items()}
        return {name: values[name] for name in names}

    def _of_responses(self, split: str, images: np.ndarray) -> dict[str, np.ndarray]:
        """Metrics that no prediction changes, of all neurons of the scan; computed once."""
        key = split, images.tobytes()
        if key not in self._known:
            names = [name for name in self.metrics[split] if name in OF_RESPONSES]
            everyone = np.arange(self.scan.n_neurons)
            self._known[key] = self._evaluated(names, images, everyone, None)
        return self._known[key]

    def _evaluated(
        self,
        names: Sequence[str],
        images: np.ndarray,
        neurons: np.ndarray,
        predicted: tuple[np.ndarray, np.ndarray] | None,
    ) -> dict[str, np.ndarray]:
        """Metrics of some neurons, a few of them at a time.

        Args:
            names: of the metrics.
            images, neurons: rows of the stimuli, columns of the responses.
            predicted: prediction [n_images, n_neurons] and mean training response [n_neurons]; not
                for metrics of the responses alone.
        """
        if not names:
            return {}
        trials = measured(self.scan, images, neurons)
        unknown = np.full((len(images), len(neurons)), np.nan, dtype=np.float32)
        prediction, training_mean = predicted or (unknown, unknown[0])
        mean = np.full(len(neurons), np.nan)
        if "mean_response" in names:
            mean = mean_over_images(self.scan, np.arange(len(self.scan.stimuli)))[neurons]
        pieces = []
        for first in range(0, len(neurons), NEURONS_AT_ONCE):
            these = slice(first, first + NEURONS_AT_ONCE)
            repeats = trials.repeats[:, :, these]
            total = np.nansum(repeats, axis=0, dtype=np.float64)
            evaluation = Evaluation(
                prediction=prediction[:, these],
                response=total / trials.n_trials[:, None],
                training_mean=training_mean[these],
                mean_response=mean[these],
                n_averaged=trials.n_trials,
                repeats=repeats,
                fano=self.fano,
            )
            pieces.append(evaluate(evaluation, names))
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in names}


def mean_over_images(scan: Scan, images: np.ndarray) -> np.ndarray:
    """Mean over images of the mean response to each, read a few rows at a time.

    Args:
        scan: a scan.
        images: int64 [n_images], rows of the stimuli, each shown at least once.

    Returns:
        float64 [n_neurons].
    """
    n_trials = np.bincount(scan.image_index, minlength=len(scan.stimuli))
    weight = np.zeros(len(scan.stimuli))
    weight[images] = 1 / (n_trials[images] * len(images))
    weight = weight[scan.image_index]
    trials = np.flatnonzero(weight)
    total = np.zeros(scan.n_neurons)
    for first in range(0, len(trials), ROWS_AT_A_TIME):
        rows = trials[first : first + ROWS_AT_A_TIME]
        total += weight[rows] @ scan.responses[rows]
    return total
