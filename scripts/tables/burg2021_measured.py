"""Our results for every published value of Burg et al. 2021 and its baselines that has one."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from v1lib.burg2021_claims import Statistics
from v1lib.class_performance import best_draws, gap_error, summaries
from v1lib.comparison import AT_MOST, Measured, as_table, fact
from v1lib.files import read_csv, write_csv
from v1lib.recording import Recording, load_recording
from v1lib.score_files import read_runs
from v1lib.steps import Input, Inputs, Output

_PUBLISHED_DRAWS = 1000  # of each of the four classes [code: train.py]
_PUBLISHED_MODELS = 10  # best draws averaged [paper: Fig 3]
_SHORT_SESSION_IMAGES = 6250  # shown to some of the neurons [secondary: public loaders]
_OWN_REGULARISATION = "regularisation of the published notebooks; the paper's search is not known"
_SMALLER_SEARCH = "the best {used} of {draws} draws; the paper had {published}"


def main(
    *,
    rankings: Inputs,
    baseline_rankings: Inputs,
    tests: Input,
    normalization: Input,
    runs: Inputs,
    recording: Input,
    measured: Output,
    roles: dict,
    baselines: dict,
    planned: dict,
    pools: list,
    settings: dict,
    criterion: str,
    n_top: int,
) -> None:
    """From results, run records and the recording to one row per published value.

    ``rankings`` are of the four classes; ``normalization`` holds the statistics of what they
    learned; ``runs`` are one block of the specific model. ``roles`` (the four classes) and
    ``baselines`` name models (lnp, gfb, cnn, vgg19, those that could be trained); ``planned`` is
    the number of draws of the smallest search of classes and of pools. ``pools`` as in F7B;
    ``settings``: facts of the analyses by published id, and pixels_per_degree.
    """
    data = load_recording(recording)
    kind = data.source_kind
    facts = {name: value for name, value in settings.items() if name != "pixels_per_degree"}
    rows = [
        *gaps(best_draws(rankings, list(roles.values()), n_top=n_top), roles, kind),
        corrected_p(read_csv(tests, required=["family", "p_holm", "n_neurons"]), kind),
        *networks(read_runs(runs), data, settings["pixels_per_degree"]),
        *recorded(data),
        *(fact(f"burg2021.{name}", value, kind) for name, value in facts.items()),
        *(fact(f"burg2021.search.draws_{name}", n, kind) for name, n in planned.items()),
        *(
            fact(f"burg2021.fig7.pool_deg_{pool['role']}", pool["extent_deg"], kind)
            for pool in pools
        ),
        n_oriented(Statistics.read([normalization], criterion), kind),
        *of_baselines(best_draws(baseline_rankings, list(baselines.values()), n_top=1), baselines),
    ]
    write_csv(as_table(rows), measured)


def gaps(draws: pd.DataFrame, roles: dict, kind: str) -> Iterator[Measured]:
    """Share of the gap between subunit model and CNN that a class closes.

    Our error holds those of all three means; ten models of the paper's search scatter likewise.
    """
    table = summaries(draws, gap=(roles["subunit"], roles["cnn"])).set_index("model")
    n_draws, n_used = int(table["n_draws"].min()), int(table["n_models"].min())
    smaller = _SMALLER_SEARCH.format(used=n_used, draws=n_draws, published=_PUBLISHED_DRAWS)
    yield fact("burg2021.fig3.n_models_averaged", n_used, kind)
    for role in ("nonspecific", "specific"):
        error = gap_error(table, roles["subunit"], roles[role], roles["cnn"])
        value = float(table.loc[roles[role], "gap_mean"])
        yield Measured(
            f"burg2021.fig3.gap_percent_{role}",
            value,
            kind,
            spread=error,
            spread_type="SE from the SEMs over models",
            n=n_used,
            error=error,
            published_sampling_error=error * math.sqrt(n_used / _PUBLISHED_MODELS),
            comparability=smaller if n_draws < _PUBLISHED_DRAWS else "",
            note="no gap: the CNN is not above the subunit model" if math.isnan(value) else "",
        )
    for role, value in (("subunit", 0.0), ("cnn", 100.0)):
        result = Measured(f"burg2021.fig3.gap_percent_{role}", value, kind)
        yield replace(result, comparability="so by definition")


def corrected_p(tests: pd.DataFrame, kind: str) -> Measured:
    """The largest corrected p of the pairs of classes, which the paper gives a bound for."""
    of_classes = tests[tests["family"] == "classes"]
    return Measured(
        "burg2021.fig3.wilcoxon_holm_p_upper_bound",
        float(of_classes["p_holm"].max()),
        kind,
        spread_type=AT_MOST,
        n=int(of_classes["n_neurons"].max()),
    )


def networks(
    records: pd.DataFrame, data: Recording, pixels_per_degree: float
) -> Iterator[Measured]:
    """Sizes of the specific model, as it was really run."""
    params, kind = records["params"].iloc[0], data.source_kind
    yield fact("burg2021.fig1.n_filters", params["filters"], kind)
    yield fact("burg2021.fig1.filter_size_deg", params["kernel"] / pixels_per_degree, kind)
    side = data.stimuli.shape[-1] / pixels_per_degree
    yield fact("burg2021.fig1.input_size_deg", side, kind)


def recorded(data: Recording) -> Iterator[Measured]:
    """Counts of the recording that was used."""
    kind = data.source_kind
    yield fact("burg2021.fig3.n_neurons", len(data.session), kind)
    repeats = data.repeats()
    seen = (~np.isnan(repeats)).any(0).sum(0)
    counts = {
        "n_images": len(data.stimuli),
        "n_photographs": (data.extras["image_type"] == "original").sum(),
        "n_repeats_max": len(repeats),
        "n_neurons_with_all_images": (seen == len(data.stimuli)).sum(),
        "n_neurons_with_6250_images": (seen == _SHORT_SESSION_IMAGES).sum(),
        "n_train_samples": (data.split[data.image_index] == "train").sum(),
        "n_validation_samples": (data.split[data.image_index] == "validation").sum(),
        "n_test_images": (data.split == "test").sum(),
    }
    for name, value in counts.items():
        yield fact(f"burg2021.data.{name}", value, kind)
    every_other = "ours is of every second pixel, the published one of every pixel"
    for name, value in zip(("mean", "sd"), data.extras["stimulus_mean_sd"], strict=True):
        result = Measured(f"burg2021.data.image_{name}_crop30_step1", float(value), kind)
        yield replace(result, comparability=every_other)


def n_oriented(learned: Statistics, kind: str) -> Measured:
    """Oriented filters of the best model: one network of ours, one of theirs."""
    return Measured(
        "burg2021.fig5.n_oriented_filters_best_model",
        learned.of("specific", "oriented_features_of_best").value,
        kind,
        comparability="a single network on each side, of other draws",
    )


def of_baselines(draws: pd.DataFrame, baselines: dict) -> Iterator[Measured]:
    """Mean FEV of the baselines of Cadena et al. 2019, their best draw by validation."""
    rows = draws.set_index("model")
    for name, model in baselines.items():
        yield Measured(
            f"cadena2019.fev.{name}",
            float(rows.loc[model, "fev_percent"]),
            rows.loc[model, "source_kind"],
            comparability=_OWN_REGULARISATION,
        )
