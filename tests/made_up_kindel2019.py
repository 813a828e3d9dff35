"""Made-up inputs of the Kindel 2019 figures and tables: the right shape, no result of anything."""

from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.files import write_json
from v1lib.predictions import Predictions
from v1lib.recording import Recording

CELLS = {
    **{"01": 26, "02": 37, "03": 34, "04": 28, "05": 44},
    **{"06": 16, "07": 36, "08": 66, "09": 29, "10": 76},
}
QUALITY = {
    "kindel2019_cnn": 0.60,
    "kindel2019_cnn_1layer": 0.52,
    "kindel2019_cnn_3layers": 0.55,
    "kindel2019_lnln": 0.30,
    "kindel2019_ln": 0.20,
    "kindel2019_ridge": 0.35,
    "kindel2019_gabor_ridge": 0.42,
    "kindel2019_gabor_lasso": 0.40,
    "kindel2019_vgg_conv3_2": 0.50,
}
N_IMAGES, N_TEST = 270, 52


def scores(
    cells: dict[str, int],
    models: dict[str, float],
    seeds: list[int],
    *,
    source_kind: str = "real",
    dataset: str = "kindel2019",
) -> pd.DataFrame:
    """Scores in which r rises with the rate and with the quality given for each model."""
    rng = np.random.default_rng(0)
    session = np.repeat(list(cells), list(cells.values()))
    rate = np.exp(rng.normal(-1.0, 1.0, len(session))).clip(0.003, 6)
    ceiling = rate / (rate + 0.25)
    predictable = rng.normal(1.0, 0.35, len(rate)).clip(0.1, 1.6)
    frames = []
    for model, quality in models.items():
        for seed in seeds:
            r = quality * predictable * np.sqrt(ceiling) + rng.normal(0, 0.12, len(rate))
            dead = (rng.random(len(rate)) < 0.03) & (rate < 0.5)
            surrogate = np.where(ceiling > 0.15, np.clip(r / np.sqrt(ceiling), -1, 1), np.nan)
            baseline = rate * 0.4
            values = {
                "correlation": np.where(dead, np.nan, np.clip(r, -0.4, 0.95)),
                "loss": baseline * (1 - np.clip(r, -0.2, 0.95) ** 2),
                "baseline_loss": baseline,
                "response_variance": 0.97 * baseline,
                "mean_response": rate,
                "dead": dead.astype(float),
                "signal_power_surrogate": baseline * ceiling,
                "cc_norm_surrogate": np.where(dead & (ceiling > 0.15), 0.0, surrogate),
                "ceiling_surrogate": np.where(ceiling > 0.15, np.sqrt(ceiling), np.nan),
            }
            wide = pd.DataFrame({"neuron": np.arange(len(rate)), "session": session} | values)
            long = wide.melt(id_vars=["neuron", "session"], var_name="metric")
            frames.append(long.assign(model=model, seed=seed))
    table = pd.concat(frames, ignore_index=True)
    table = table.assign(dataset=dataset, split="test", source_kind=source_kind)
    order = ["dataset", "model", "seed", "session", "neuron", "split", "metric", "value"]
    return table[[*order, "source_kind"]]


def history(session: str, seeds: list[int], *, source_kind: str = "real") -> pd.DataFrame:
    """Losses that fall and, for the unseen images, rise again; 301 evaluations."""
    frames = []
    for seed in seeds:
        step = np.r_[1, np.arange(201, 60000, 200), 59999]
        rng = np.random.default_rng(seed)
        train = 0.02 + 0.3 * np.exp(-step / 800) + 0.09 * np.exp(-step / 30000)
        early = 0.11 + 0.24 * np.exp(-step / 700) + 8e-7 * np.maximum(step - 9000, 0)
        early = early + rng.normal(0, 6e-4, len(step))
        frames.append(
            pd.DataFrame(
                {
                    "seed": seed,
                    "step": step,
                    "train_loss": train,
                    "validation_loss": early,
                    "test_loss": early - 0.02,
                    "test_correlation": 0.52 * (1 - np.exp(-step / 2500)) - 1e-6 * step,
                }
            )
        )
    table = pd.concat(frames, ignore_index=True).assign(
        dataset="kindel2019", model="kindel2019_cnn", session=session, source_kind=source_kind
    )
    order = ["dataset", "model", "seed", "session", "step", "train_loss", "validation_loss"]
    return table[[*order, "test_loss", "test_correlation", "source_kind"]]


def run_records(
    cells: dict[str, int],
    seeds: list[int],
    *,
    model: str = "kindel2019_cnn",
    source_kind: str = "real",
    best_step: int | None = None,
) -> list[dict]:
    """One record per session and seed."""
    rng = np.random.default_rng(1)
    layer = {"kernel": 3, "pool_kernel": 3, "pool_stride": 2}
    params = {
        "conv1": {"filters": 16, **layer},
        "conv2": {"filters": 32, **layer},
        "num_conv_layers": 2,
        "hidden_units": 300,
        "dropout_keep": 0.65,
    }
    training = {"learning_rate": 1e-4, "max_steps": 60000, "batch_size": 50, "alphas": [1e5]}
    return [
        {
            "dataset": "kindel2019",
            "source_kind": source_kind,
            "model": model,
            "session": session,
            "seed": seed,
            "status": "ok",
            "reason": "",
            "params": params if "cnn" in model else {"hidden_units": 250},
            "training": training,
            "draw": {},
            "seeds": {"split": seed},
            "best_step": best_step or int(1 + 200 * rng.integers(15, 299)),
        }
        for session in cells
        for seed in seeds
    ]


def recording_and_predictions(
    cells: dict[str, int], seeds: list[int], *, source_kind: str = "real"
) -> tuple[Recording, Predictions]:
    """Responses of a few hidden features of random images, and noisy predictions of them."""
    rng = np.random.default_rng(2)
    session = np.repeat(list(cells), list(cells.values()))
    expected = np.exp(rng.normal(-1.0, 0.8, (N_IMAGES, len(session))))
    recording = Recording(
        stimuli=rng.integers(0, 255, (N_IMAGES, 1, 9, 9)).astype(np.float32),
        responses=(rng.poisson(20 * expected) / 20).astype(np.float32),
        image_index=np.arange(N_IMAGES),
        session=session,
        split=np.full(N_IMAGES, ""),
        n_averaged=np.full(N_IMAGES, 20),
        dataset="kindel2019",
        source_kind=source_kind,
    )
    split = np.ones((len(seeds), len(cells), N_IMAGES), dtype=np.int8)
    for member in split.reshape(-1, N_IMAGES):
        order = rng.permutation(N_IMAGES)
        member[order[:N_TEST]], member[order[N_TEST : N_TEST + 38]] = 3, 2
    noise = rng.normal(0, 0.4, (len(seeds), *expected.shape))
    predictions = Predictions(
        seeds=np.array(seeds),
        session_names=np.array(list(cells)),
        session_index=np.repeat(np.arange(len(cells)), list(cells.values())),
        predictions=np.maximum(0.2 + 0.6 * expected + noise, 0).astype(np.float32),
        split=split,
        dataset="kindel2019",
        model="kindel2019_cnn",
        source_kind=source_kind,
    )
    return recording, predictions


def search(
    model: str, points: dict[str, list], n_splits: int, *, n_cells: int, source_kind: str = "real"
) -> tuple[pd.DataFrame, list[dict]]:
    """Scores and records of a search over single factors on session 02."""
    draws = [(factor, value) for factor, values in points.items() for value in values]
    seeds = list(range(len(draws) * n_splits))
    table = scores(
        {"02": n_cells},
        {model: 0.4},
        seeds,
        source_kind=source_kind,
        dataset="kindel2019_session02",
    )
    records = run_records({"02": n_cells}, seeds, model=model, source_kind=source_kind)
    for record in records:
        factor, value = draws[record["seed"] % len(draws)]
        record["draw"] = {"factor": factor, "value": value}
        for settings in ("params", "training"):
            if factor in record[settings]:
                record[settings] = record[settings] | {factor: value}
        record["seeds"] = {"split": record["seed"] // len(draws)}
    return table, records


def preferred_images(n_neurons: int, *, source_kind: str = "real") -> dict[str, object]:
    """Gabor patches in the aperture on the background, with blurred controls."""
    rng = np.random.default_rng(3)
    row, column = np.indices((33, 33)) - 16.5
    aperture = row**2 + column**2 <= 13**2
    angles = rng.uniform(0, np.pi, n_neurons)[:, None, None]
    phase = 2 * np.pi * (column * np.cos(angles) + row * np.sin(angles)) / 9
    envelope = np.exp(-(row**2 + column**2) / 50)
    images = 116 + 90 * envelope * np.cos(phase) * aperture
    return {
        "session": np.array(["03"] * n_neurons),
        "neuron": np.arange(n_neurons) + 63,
        "images": images,
        "control": 116 + 20 * envelope * aperture * np.ones_like(images),
        "stability": np.linspace(0.9, 0.4, n_neurons),
        "mean_r": np.linspace(0.85, 0.6, n_neurons),
        "source_kind": source_kind,
    }


def recovery(n_neurons: int, *, source_kind: str = "simulated") -> pd.DataFrame:
    """Planted and recovered values that mostly agree; every second neuron has no image."""
    rng = np.random.default_rng(4)
    match, selectivity = rng.beta(5, 2, n_neurons), rng.beta(2, 2, n_neurons)

    def near(values: np.ndarray, scatter: float, low: float = -1.0) -> np.ndarray:
        return np.clip(values + rng.normal(0, scatter, n_neurons), low, 1)

    has_image = np.where(np.arange(n_neurons) % 2, np.nan, 1.0)
    return pd.DataFrame(
        {
            "dataset": "kindel2019_simulated",
            "model": "kindel2019_cnn",
            "session": "01",
            "neuron": np.arange(n_neurons),
            "cell_type": rng.choice(["simple", "complex", "unoriented"], n_neurons),
            "preferred_image_likeness": near(match, 0.1) * has_image,
            "network_image_likeness": near(0.8 * match, 0.05) * has_image,
            "weighted_image_likeness": near(0.6 * match, 0.05) * has_image,
            "other_neuron_likeness": near(0 * match, 0.25) * has_image,
            "correlation_expected": match,
            "cc_norm_exact": near(match, 0.03),
            "cc_norm_surrogate": near(match, 0.05),
            "orientation_selectivity": selectivity,
            "orientation_selectivity_model": near(selectivity, 0.1, low=0.0),
            "source_kind": source_kind,
        }
    )


def write_records(records: list[dict], path: Path) -> None:
    """Run records as the trainer writes them."""
    write_json(records, path)
