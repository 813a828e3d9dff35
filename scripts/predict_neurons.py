"""Predict recorded neurons from the units of networks, by partial least squares."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.device import choose_device
from v1lib.files import folder_beside, write_csv
from v1lib.neural_predictivity import (
    by_recorded_images,
    correlations,
    gram,
    normalised,
    random_splits,
    split_half_ceilings,
)
from v1lib.recording import Recording, load_recording
from v1lib.screen import placed
from v1lib.steps import Gpu, Input, Inputs, Output, Threads
from v1lib.v1_receptive_fields import Subject
from v1lib.v1_runs import subject_runs

OPTIONS = {
    *("image_degrees", "n_components", "n_splits", "test_share", "n_halves", "stratified", "seed"),
}
_IMAGES_AT_ONCE = 256

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    checkpoints: Inputs,
    own_recording: Inputs,
    neurons: Output,
    predictivity: Output,
    subject: dict,
    settings: dict,
    device: str,
    threads: Threads,
    gpu: Gpu,
) -> None:
    """From recorded neurons and networks to how well the units of each network predict them.

    ``recording`` has the neurons; ``checkpoints``, ``own_recording`` (of a model of neurons, the
    one it was trained on) and ``subject``: see ``v1lib.v1_runs``. ``settings``: image_degrees, the
    width of the recording's images, which are shown in the middle of the subject's screen;
    n_components, n_splits, test_share, seed of the regression and its splits; stratified, whether
    the splits keep the shares of the recording's image types; n_halves of the ceiling.

    ``neurons``: r and ceiling of each neuron, means over splits and halves. ``predictivity``: a row
    for each network, the medians over neurons averaged over splits, and r set against the ceiling
    in both of Brain-Score's ways. Without single trials there is no ceiling.
    """
    if set(settings) != OPTIONS:
        raise ValueError(f"settings are {sorted(settings)}, expected {sorted(OPTIONS)}")
    where = choose_device(device, gpu, threads)
    data = load_recording(recording)
    images = grey_images(data)
    ceilings = split_half_ceilings(
        data.repeats(), n_halves=settings["n_halves"], seed=settings["seed"]
    )
    if np.isnan(ceilings).all():
        log.warning("%s has no two trials of an image: no ceiling", recording)
    by_neuron, by_run, shown = [], [], {}
    for run in subject_runs(checkpoints, own_recording, subject, where):
        screen = run.subject.screen
        if screen not in shown:
            shown[screen] = placed(images, settings["image_degrees"], screen)
        r = _predicted(run.subject, shown[screen], data, settings, beside=neurons)
        labels = {
            "dataset": data.dataset,
            "model": run.model,
            "seed": run.seed,
            "trained_on": run.dataset,
        }
        by_neuron.append(_neuron_rows(r, ceilings).assign(**labels))
        by_run.append(_summary(r, ceilings) | labels | {"n_images": len(images)})
        log.info(
            "%s, seed %d: r %.4f, ceiling %.4f",
            *(by_run[-1][k] for k in ("model", "seed", "r", "ceiling")),
        )
    columns = [*labels, "neuron", "r", "ceiling"]
    kind = {"source_kind": data.source_kind}
    write_csv(pd.concat(by_neuron)[columns].assign(**kind), neurons)
    write_csv(pd.DataFrame(by_run).assign(**kind), predictivity)


def grey_images(data: Recording) -> np.ndarray:
    """The stimuli of a recording as 8-bit grey values: uint8 [n_images, height, width].

    Raises:
        ValueError: they are coloured.
    """
    if data.stimuli.shape[1] != 1:
        raise ValueError(f"stimuli of {data.dataset} have {data.stimuli.shape[1]} channels, not 1")
    mean, sd = data.extras.get("stimulus_mean_sd", (0.0, 1.0))
    return np.clip(np.rint(data.stimuli[:, 0] * sd + mean), 0, 255).astype(np.uint8)


def _predicted(
    subject: Subject, images: np.ndarray, data: Recording, settings: Mapping, *, beside: Path
) -> np.ndarray:
    """Pearson's r of each neuron in each split: float64 [n_splits, n_neurons]."""
    products = _products(subject, images, beside)
    responses = data.mean_over_trials()
    types = data.extras.get("image_type")
    if settings["stratified"] and types is None:
        raise ValueError(f"settings: stratified is true, but {data.dataset} has no image types")
    found = np.full((settings["n_splits"], responses.shape[1]), np.nan)
    for columns, rows in by_recorded_images(responses):
        splits = random_splits(
            len(rows),
            n_splits=settings["n_splits"],
            test_share=settings["test_share"],
            seed=settings["seed"],
            strata=types[rows] if settings["stratified"] else None,
        )
        found[:, columns] = correlations(
            products[np.ix_(rows, rows)],
            responses[np.ix_(rows, columns)],
            splits,
            n_components=settings["n_components"],
        )
    return found


def _products(subject: Subject, images: np.ndarray, beside: Path) -> np.ndarray:
    """Inner products of the activations, which wait in a file: there may be gigabytes of them."""
    with folder_beside(beside) as folder:
        features = None
        for first in range(0, len(images), _IMAGES_AT_ONCE):
            part = images[first : first + _IMAGES_AT_ONCE].astype(np.float32)
            activations = np.asarray(subject.respond(part), dtype=np.float32)
            if not np.isfinite(activations).all():
                raise ValueError("a subject's activations are not finite")
            if features is None:
                shape = (len(images), activations.shape[1])
                features = np.lib.format.open_memmap(
                    folder / "features.npy", mode="w+", dtype=np.float32, shape=shape
                )
            features[first : first + len(part)] = activations
        return gram(features)


def _neuron_rows(r: np.ndarray, ceilings: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {"neuron": np.arange(r.shape[1]), "r": _mean(r), "ceiling": _mean(ceilings)}
    )


def _summary(r: np.ndarray, ceilings: np.ndarray) -> dict[str, float]:
    """Medians over neurons, averaged over splits, with the published error of r."""
    medians, highest = (_median_over_neurons(values) for values in (r, ceilings))
    value, ceiling = float(medians.mean()), float(highest.mean())
    return {
        "n_neurons": r.shape[1],
        "n_undefined": int(np.isnan(r).all(axis=0).sum()),
        "r": value,
        "r_error": float(medians.std() / np.sqrt(len(medians))),
        "ceiling": ceiling,
        **normalised(value, ceiling),
    }


def _median_over_neurons(values: np.ndarray) -> np.ndarray:
    """Of what is defined; NaN for a row without anything."""
    return np.array(
        [np.median(row[~np.isnan(row)]) if not np.isnan(row).all() else np.nan for row in values]
    )


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is not NaN; NaN where nothing is."""
    count = (~np.isnan(values)).sum(axis=0)
    mean = np.full(values.shape[1], np.nan)
    return np.divide(np.nansum(values, axis=0), count, out=mean, where=count > 0)
