"""Score the predictions of one model: one row per network, neuron, split and metric."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.files import write_csv
from v1lib.metrics import Evaluation, evaluate
from v1lib.predictions import Predictions, load_predictions
from v1lib.recording import Recording, load_recording
from v1lib.score_files import SCORE_COLUMNS
from v1lib.splits import SPLIT_CODES
from v1lib.steps import Input, Inputs, Output

_OPTIONS = {"fano"}

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    predictions: Inputs,
    scores: Output,
    metrics: dict,
    options: dict,
) -> None:
    """From a recording and the predictions of all blocks of a model to its scores.

    ``metrics`` names, for each split that is to be scored (such as test), entries of
    ``v1lib.metrics.METRICS``; ``options`` holds ``fano``, the variance over mean that the Poisson
    surrogates assume of single trials. Undefined scores are NaN; a run that failed has no rows (its
    record says why).
    """
    if unknown := sorted(set(metrics) - (set(SPLIT_CODES) - {""})):
        raise ValueError(f"metrics are asked for split {unknown[0]!r}; there are {SPLIT_CODES}")
    if set(options) != _OPTIONS:
        raise ValueError(f"options are {sorted(options)}, expected {sorted(_OPTIONS)}")
    data = load_recording(recording)
    responses = Responses(data.mean_over_trials(), data.repeats(), _presentations(data))
    tables = []
    for path in predictions:
        block = load_predictions(path)
        _check(block, data, path)
        for row, seed in enumerate(block.seeds.tolist()):
            for session in block.session_names.tolist():
                neurons = data.neurons_of(session)
                if _failed(block, (row, session)):
                    log.warning("%s, session %s seed %d failed: no scores", path, session, seed)
                    continue
                for split, names in metrics.items():
                    evaluation = _evaluation(block, (row, session), responses, split, options)
                    rows = _rows(evaluate(evaluation, names), neurons)
                    identity = {"seed": seed, "session": session, "split": split}
                    tables.append(rows.assign(**identity))
    if not tables:
        raise ValueError(f"no network made predictions in {[str(path) for path in predictions]}")
    table = pd.concat(tables, ignore_index=True).assign(
        dataset=block.dataset, model=block.model, source_kind=block.source_kind
    )
    _report(table)
    write_csv(table[list(SCORE_COLUMNS)], scores)


@dataclass(frozen=True)
class Responses:
    """What was measured, in the forms that metrics ask for; see ``Evaluation``.

    Attributes:
        mean: [n_images, n_neurons], over trials.
        repeats: [n_repeats, n_images, n_neurons].
        n_averaged: [n_images], presentations behind the mean.
    """

    mean: np.ndarray
    repeats: np.ndarray
    n_averaged: np.ndarray


def _presentations(data: Recording) -> np.ndarray:
    """Presentations behind the mean response to each image, [n_images]."""
    total = np.zeros(len(data.stimuli))
    np.add.at(total, data.image_index, data.n_averaged)
    return total


def _check(block: Predictions, data: Recording, path: Path) -> None:
    shape = (len(block.seeds), len(data.stimuli), len(data.session))
    if block.predictions.shape != shape or block.session_names.tolist() != data.session_names:
        raise ValueError(
            f"{path}: predictions {block.predictions.shape} of sessions "
            f"{block.session_names.tolist()} do not fit the recording {data.dataset}, expected "
            f"{shape} and {data.session_names}; make the predictions again"
        )


def _of_run(block: Predictions, run: tuple[int, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions and split of a run (row of the block, session), and its neurons as a mask."""
    row, session = run
    number = block.session_names.tolist().index(session)
    neurons = block.session_index == number
    return block.predictions[row][:, neurons], block.split[row, number], neurons


def _failed(block: Predictions, run: tuple[int, str]) -> bool:
    prediction, _, _ = _of_run(block, run)
    if np.isnan(prediction).all():
        return True
    if not np.isfinite(prediction).all():
        row, session = run
        raise ValueError(
            f"model {block.model}, session {session} seed {block.seeds[row]}: some predictions are "
            "not finite; a run either predicts every image or none"
        )
    return False


def _evaluation(
    block: Predictions, run: tuple[int, str], responses: Responses, scored: str, options: dict
) -> Evaluation:
    """The images of one split of a run."""
    prediction, split, neurons = _of_run(block, run)
    images, train = split == SPLIT_CODES[scored], split == SPLIT_CODES["train"]
    measured = responses.mean[:, neurons]
    return Evaluation(
        prediction=prediction[images],
        response=measured[images],
        training_mean=np.nanmean(measured[train], axis=0),
        mean_response=np.nanmean(measured, axis=0),
        n_averaged=responses.n_averaged[images],
        repeats=responses.repeats[:, images][:, :, neurons],
        fano=options["fano"],
    )


def _rows(values: dict[str, np.ndarray], neurons: np.ndarray) -> pd.DataFrame:
    wide = pd.DataFrame({"neuron": neurons} | values)
    rows = wide.melt(id_vars="neuron", var_name="metric", value_name="value")
    return rows.sort_values(["neuron", "metric"], kind="stable")


def _report(table: pd.DataFrame) -> None:
    for (split, metric), values in table.groupby(["split", "metric"], sort=True)["value"]:
        log.info(
            "%s, %s: mean %.4f over %d defined values, %d undefined",
            split,
            metric,
            values.mean(),
            values.notna().sum(),
            values.isna().sum(),
        )
