"""Fit one regression model on a recording: a block of seeds, every session, in closed form."""

import logging
import time

from v1lib.block_files import BlockFiles, write_block
from v1lib.data_sets import of_recording
from v1lib.device import choose_device
from v1lib.feature_regression import FeatureRegression
from v1lib.files import sha256_of
from v1lib.recording import Recording, load_recording
from v1lib.regression import features_of, fit_regression
from v1lib.runs import RunPlan, RunResult, environment_of, initial_model, plan_runs
from v1lib.steps import Input, Output, Threads

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    checkpoint: Output,
    history: Output,
    record: Output,
    name: str,
    model: dict,
    seeds: list,
    threads: Threads,
) -> None:
    """From a recording and a model entry to fitted models and their records.

    Features depend on the model's params alone, so all sessions and seeds share them.
    """
    device = choose_device("cpu", 0, threads)
    data = load_recording(recording)
    data_set = of_recording(data)
    environment = environment_of(sha256_of(recording), str(device), threads)
    plans = plan_runs(data_set, model, seeds)
    features: dict[str, object] = {}
    results = []
    for plan in plans:
        network = initial_model(data_set, plan)
        core = repr((plan.build, plan.params))
        if core not in features:
            features = {core: features_of(network, data.stimuli)}
        results.append(_fitted(data, plan, network, features[core]))
        log.info("%s: %s", plan.name, _summary(results[-1]))

    write_block(
        BlockFiles(checkpoint, history, record),
        data_set,
        model=name,
        plans=plans,
        results=results,
        environment=environment,
        device=device,
    )


def _fitted(
    data: Recording, plan: RunPlan, network: FeatureRegression, features: object
) -> RunResult:
    started = time.perf_counter()
    alphas = plan.training["alphas"]
    fit = fit_regression(
        network,
        data.stimuli,
        data.mean_over_trials()[:, plan.neuron_index],
        plan.split,
        method=plan.training["regression"],
        alphas=alphas,
        selection="validation" if len(alphas) > 1 else "fixed",
        features=features,
    )
    fit["wall_seconds"] = time.perf_counter() - started
    return RunResult(status="ok", state_dict=network.state_dict(), record=fit)


def _summary(result: RunResult) -> str:
    return ", ".join(f"{key} {result.record[key]}" for key in ("alpha", "n_features", "n_used"))
