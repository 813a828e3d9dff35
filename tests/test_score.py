"""The scoring steps: from predictions of several blocks to one tidy table."""

import numpy as np
import pandas as pd
import pytest

import collect_scores
import score
from v1lib.correlation import correlation
from v1lib.files import read_csv
from v1lib.metrics import METRICS
from v1lib.predictions import Predictions
from v1lib.recording import Recording
from v1lib.score_files import SCORE_COLUMNS
from v1lib.score_tables import neuron_means
from v1lib.single_trials import trial_correlation
from v1lib.splits import SPLIT_CODES

SESSIONS = ["01", "01", "02", "02", "02"]
N_IMAGES = 40
OPTIONS = {"fano": 1.0}
METRICS_BY_SPLIT = {"test": list(METRICS)}


@pytest.fixture
def recording():
    rng = np.random.default_rng(0)
    # Two rows of 10 presentations per image make a mean over 20.
    image_index = np.tile(np.arange(N_IMAGES), 2)
    rates = rng.gamma(1.0, 2.0, (N_IMAGES, len(SESSIONS)))
    responses = rng.poisson(10 * rates[image_index]) / 10
    return Recording(
        stimuli=np.zeros((N_IMAGES, 1, 5, 5), dtype=np.float32),
        responses=responses.astype(np.float32),
        image_index=image_index,
        session=np.array(SESSIONS),
        split=np.full(N_IMAGES, ""),
        n_averaged=np.full(2 * N_IMAGES, 10),
        dataset="toy",
        source_kind="simulated",
    )


def block(recording: Recording, seeds: list[int], *, model: str = "cnn") -> Predictions:
    """Noisy copies of the responses; each seed and session has its own split."""
    predictions, splits = [], []
    for seed in seeds:
        rng = np.random.default_rng(100 + seed)
        measured = recording.mean_over_trials()
        predictions.append(measured + rng.normal(0, 0.5, measured.shape))
        codes = np.repeat(
            [SPLIT_CODES[name] for name in ("train", "test", "validation")], [24, 8, 8]
        )
        splits.append([rng.permutation(codes) for _ in recording.session_names])
    return Predictions(
        seeds=np.array(seeds),
        session_names=np.array(recording.session_names),
        session_index=np.array([recording.session_names.index(s) for s in recording.session]),
        predictions=np.array(predictions, dtype=np.float32),
        split=np.array(splits, dtype=np.int8),
        dataset="toy",
        model=model,
        source_kind="simulated",
    )


@pytest.fixture
def run(tmp_path, recording):
    """Score the blocks given and read the table."""

    def scored(*blocks: Predictions, metrics=METRICS_BY_SPLIT, options=OPTIONS) -> pd.DataFrame:
        recording.save(tmp_path / "recording.npz")
        paths = []
        for number, each in enumerate(blocks):
            paths.append(tmp_path / f"predictions{number}.npz")
            each.save(paths[-1])
        score.main(
            recording=tmp_path / "recording.npz",
            predictions=paths,
            scores=tmp_path / "scores.csv",
            metrics=metrics,
            options=options,
        )
        return read_csv(tmp_path / "scores.csv", required=SCORE_COLUMNS)

    return scored


def value_of(table: pd.DataFrame, **where) -> float:
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table["value"].item()


def test_table_has_every_seed_neuron_and_metric_once(run, recording):
    table = run(block(recording, [0, 1]), block(recording, [2]))
    assert len(table) == 3 * len(SESSIONS) * len(METRICS)
    assert not table.duplicated(["seed", "neuron", "metric"]).any()
    assert table.groupby("neuron")["session"].unique().map(list).tolist() == [[s] for s in SESSIONS]
    assert set(table["source_kind"]) == {"simulated"} and set(table["split"]) == {"test"}


def test_values_come_from_the_test_images_of_that_run(run, recording):
    predicted = block(recording, [0, 1])
    table = run(predicted)
    measured = recording.mean_over_trials()
    session, neuron, seed = "02", 3, 1
    split = predicted.split[1, 1]
    test, train = split == SPLIT_CODES["test"], split == SPLIT_CODES["train"]
    y, p = measured[test, neuron], predicted.predictions[1][test, neuron].astype(float)
    baseline = measured[train, neuron].mean()
    power = y.var(ddof=1) - y.mean() / 20
    expected = {
        "correlation": correlation(p[:, None], y[:, None])[0],
        "loss": np.mean((p - y) ** 2),
        "baseline_loss": np.mean((baseline - y) ** 2),
        "response_variance": y.var(),
        "mean_response": measured[:, neuron].mean(),
        "dead": 0.0,
        "signal_power_surrogate": power,
        "ceiling_surrogate": np.sqrt(power / y.var(ddof=1)),
    }
    for metric, value in expected.items():
        found = value_of(table, session=session, neuron=neuron, seed=seed, metric=metric)
        assert found == pytest.approx(value, rel=1e-6), metric


def test_every_split_has_its_own_metrics(run, recording):
    predicted = block(recording, [0])
    table = run(predicted, metrics={"test": ["fev", "loss"], "validation": ["trial_correlation"]})
    found = table.groupby("split")["metric"].unique().map(sorted).to_dict()
    assert found == {"test": ["fev", "loss"], "validation": ["trial_correlation"]}
    images = predicted.split[0, 1] == SPLIT_CODES["validation"]
    expected = trial_correlation(
        predicted.predictions[0][images][:, 3:], recording.repeats()[:, images][:, :, 3:]
    )
    for neuron, value in zip((3, 4), expected, strict=True):
        assert value_of(table, neuron=neuron, split="validation") == pytest.approx(value, rel=1e-6)


def test_dead_outputs_stay_undefined_and_count_as_zero_only_when_averaged(run, recording):
    predicted = block(recording, [0])
    predicted.predictions[0][:, 2] = 0.0
    table = run(predicted)
    assert np.isnan(value_of(table, neuron=2, metric="correlation"))
    assert value_of(table, neuron=2, metric="dead") == 1
    means = {
        choice: neuron_means(table, response_window_s=0.1, undefined_correlation=choice)
        for choice in ("zero", "skip")
    }
    assert means["zero"].set_index("neuron").loc[2, "correlation"] == 0
    assert np.isnan(means["skip"].set_index("neuron").loc[2, "correlation"])


def test_failed_runs_have_no_rows(run, recording, caplog):
    predicted = block(recording, [0, 1])
    predicted.predictions[0][:, :2] = np.nan
    table = run(predicted)
    assert sorted(table.loc[table["seed"] == 0, "session"].unique()) == ["02"]
    assert sorted(table.loc[table["seed"] == 1, "session"].unique()) == ["01", "02"]
    assert "session 01 seed 0 failed" in caplog.text


def test_partly_missing_predictions_are_an_error(run, recording):
    predicted = block(recording, [0])
    predicted.predictions[0][3, 1] = np.nan
    with pytest.raises(ValueError, match="session 01 seed 0"):
        run(predicted)


def test_predictions_of_another_recording_are_an_error(run, recording):
    predicted = block(recording, [0])
    predicted.predictions.resize((1, N_IMAGES, 4), refcheck=False)
    with pytest.raises(ValueError, match=r"predictions0\.npz.*do not fit"):
        run(predicted)


def test_options_are_checked(run, recording):
    with pytest.raises(ValueError, match="fano"):
        run(block(recording, [0]), options={"fanno": 1.0})
    with pytest.raises(ValueError, match="'r2'"):
        run(block(recording, [0]), metrics={"test": ["r2"]})
    with pytest.raises(ValueError, match="split 'tset'"):
        run(block(recording, [0]), metrics={"tset": ["correlation"]})


def test_collected_scores_hold_all_models_once(tmp_path, run, recording):
    paths = []
    for model in ("cnn", "ridge"):
        table = run(block(recording, [0], model=model))
        paths.append(tmp_path / f"{model}.csv")
        table.to_csv(paths[-1], index=False)
    collect_scores.main(scores=paths, collected=tmp_path / "all.csv")
    collected = read_csv(tmp_path / "all.csv", required=SCORE_COLUMNS)
    assert collected.groupby("model").size().to_dict() == {
        model: len(SESSIONS) * len(METRICS) for model in ("cnn", "ridge")
    }
    with pytest.raises(ValueError, match="twice"):
        collect_scores.main(scores=[*paths, paths[0]], collected=tmp_path / "twice.csv")
