"""Made-up population scores of Lurz et al. 2021: their shape, no result of anything."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from v1lib.population_scores import POPULATION_COLUMNS

IMAGES = [50, 200, 500, 1000, 2500, 4472]
FIG5 = {
    "direct": "lurz2021_direct",
    "11-S": "lurz2021_transfer_11s",
    "11-S: no cortex": "lurz2021_transfer_11s_free",
    "4-S: matched": "lurz2021_transfer_4s_matched",
    "4-S: diff animals": "lurz2021_transfer_4s_animals",
    "1-S": "lurz2021_transfer_1s",
    "VGG16": "lurz2021_vgg16",
    "random VGG16": "lurz2021_random_vgg16",
    "random core, wide": "lurz2021_random128",
    "random core, narrow": "lurz2021_random64",
}
FIG3 = {
    "Factorised w/ f-s": "lurz2021_factorised_shared",
    "Factorised w/o f-s": "lurz2021_factorised",
    "Gaussian w/ f-s": "lurz2021_gaussian_shared",
    "Gaussian w/o f-s": "lurz2021_gaussian",
}
FIG4 = {
    readout: {
        "direct": f"lurz2021_{readout}_held_out",
        "diff_core": f"lurz2021_{readout}_diff_core",
        "best_core": f"lurz2021_{readout}_best_core",
    }
    for readout in ("gaussian", "factorised")
}
ABLATION = {
    "cortex + f-s": "lurz2021_gaussian_shared",
    "f-s only": "lurz2021_gaussian_free_shared",
    "cortex only": "lurz2021_gaussian",
    "neither": "lurz2021_gaussian_free",
}


def population(
    model: str,
    points: Mapping[tuple[int, int], Sequence[Sequence[float]]],
    *,
    n_scans: int = 1,
    kind: str = "simulated",
    validation: Mapping[tuple[int, int], Sequence[Sequence[float]]] | None = None,
) -> pd.DataFrame:
    """population_scores.csv of a model.

    Args:
        model: name.
        points: scores by (images, neurons), [n_replicates][n_initialisations].
        n_scans: scans of the data set.
        kind: "real" or "simulated".
        validation: correlation on the validation trials in the same places; the scores by default.
    """
    rows, seed = [], 0
    for (images, neurons), scores in points.items():
        chosen_by = (validation or points)[images, neurons]
        for replicate, of_replicate in enumerate(scores):
            for initialisation, score in enumerate(of_replicate):
                run = {
                    "dataset": f"lurz2020_{n_scans}_{kind}",
                    "model": model,
                    "seed": seed,
                    "images": images,
                    "neurons": neurons,
                    "n_scans": n_scans,
                    "replicate": replicate,
                    "initialisation": initialisation,
                    "penalty": 1.0,
                    "n_neurons": neurons * n_scans,
                    "source_kind": kind,
                }
                selected_by = chosen_by[replicate][initialisation]
                rows += [
                    run | {"split": "test", "metric": "fraction_oracle", "value": score},
                    run | {"split": "test", "metric": "fev", "value": score / 2},
                    run
                    | {
                        "split": "validation",
                        "metric": "correlation_to_trials",
                        "value": selected_by,
                    },
                ]
                seed += 1
    return pd.DataFrame(rows)[list(POPULATION_COLUMNS)]


def scattered(
    means: Mapping[tuple[int, int], float],
    *,
    n_replicates: int = 5,
    n_initialisations: int = 1,
    sd: float = 0.01,
) -> dict[tuple[int, int], np.ndarray]:
    """Scores around the means, always the same, [n_replicates, n_initialisations] at each point."""
    rng = np.random.default_rng(round(1000 * sum(means.values())))
    size = (n_replicates, n_initialisations)
    return {point: rng.normal(mean, sd, size) for point, mean in means.items()}
