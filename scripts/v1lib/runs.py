"""A run: one network for the neurons of one session, or of all scans, trained from one seed.

What identifies a run, how its seeds follow from it, and what is kept of it. Runs are trained in
blocks of seeds; the files of a block name every session and seed in it.
"""

import platform
import resource
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import torch

from v1lib.data_sets import DataSet, Group
from v1lib.models import ClassifierInfo, build_model, takes_scans
from v1lib.penalties import KEY, with_penalty
from v1lib.recording import Recording, RecordingInfo
from v1lib.search import drawn
from v1lib.splits import SPLIT_CODES, random_split, stream
from v1lib.subsets import Subset, images_of, neurons_of

NO_WEIGHTS = "no weights"  # status of a run that others trained and published without them

_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "numba")


@dataclass(frozen=True)
class Part:
    """A session, or a scan, in a run.

    Attributes:
        name: of the session or the scan.
        neuron_index: int64 [n_neurons], columns of its responses that are predicted.
        split: int8 [n_images], codes of ``SPLIT_CODES``; 0 for images that the run leaves out.
    """

    name: str
    neuron_index: np.ndarray
    split: np.ndarray


@dataclass(frozen=True)
class RunPlan:
    """Everything that decides a run before it starts.

    Attributes:
        session, seed: which run of its data set and model.
        parts: the session of a recording, or all scans of a data set of scans.
        build, params, training: the model entry, with the draw of a search applied.
        draw: what the search drew for this seed; empty without a search.
        seeds: integers for split, initialisation, batches and noise.
    """

    session: str
    seed: int
    parts: tuple[Part, ...]
    build: str
    params: dict
    training: dict
    draw: dict
    seeds: dict[str, int]

    @property
    def name(self) -> str:
        """For logs and messages."""
        return f"session {self.session} seed {self.seed}"

    @property
    def neuron_index(self) -> np.ndarray:
        """Of a run with one part."""
        (part,) = self.parts
        return part.neuron_index

    @property
    def split(self) -> np.ndarray:
        """Of a run with one part."""
        (part,) = self.parts
        return part.split


@dataclass
class RunResult:
    """What a run left behind: the selected weights, its history, and its record."""

    status: str = "running"
    reason: str = ""
    state_dict: dict | None = None
    history: list[dict] = field(default_factory=list)
    record: dict = field(default_factory=dict)


def plan_runs(
    data: DataSet, model: dict, seeds: list[int], *, penalties: list[dict] | None = None
) -> list[RunPlan]:
    """The runs of a block: every session of the data set with every seed, seeds outermost.

    Args:
        data: what is learned from.
        model: its entry, see ``v1lib.search.drawn``.
        seeds: of the block.
        penalties: penalties of the readout that were chosen for points of the model's grid, see
            ``v1lib.penalties``; those of the entry without.

    Raises:
        ValueError: a neuron has no response to learn from, a split or a subset is impossible, or
            penalties are given but not for this point.
    """
    return [
        _plan(data, model, session, seed, penalties) for seed in seeds for session in data.together
    ]


def _plan(
    data: DataSet, model: dict, session: str, seed: int, penalties: list[dict] | None
) -> RunPlan:
    entry, draw, split_seed = drawn(model, seed)
    params = entry["params"]
    if penalties and KEY not in draw:
        at = (model.get("tuned_by") or {}).get("at", {})
        params = with_penalty(params, draw | at, penalties)
    training = dict(entry["training"])
    limits = training.pop("max_steps_by_session", {})
    if session in limits:
        training["max_steps"] = limits[session]
    settings, subset = training.pop("split"), training.pop("subset", {})
    groups = data.together[session]
    columns = neurons_of(groups, Subset(**subset), split_seed)
    parts = tuple(
        Part(
            name=group.name,
            neuron_index=columns[group.name],
            split=images_of(
                group, _split(group, settings, session, split_seed), Subset(**subset), split_seed
            ),
        )
        for group in groups
    )
    seeds = {"split": split_seed} | {
        use: _integer(use, session, seed) for use in ("initialisation", "batches", "noise")
    }
    plan = RunPlan(session, seed, parts, entry["build"], params, training, draw, seeds)
    _check_neurons(data, plan)
    return plan


def _integer(*key: int | str) -> int:
    return int(stream(*key).generate_state(1)[0])


def _split(group: Group, settings: dict | str, session: str, seed: int) -> np.ndarray:
    if settings == "recording":
        return group.codes.copy()
    rng = np.random.default_rng(stream("split", session, seed))
    return random_split(rng.permutation(len(group.codes)), **settings)


def _check_neurons(data: DataSet, plan: RunPlan) -> None:
    if data.recording is None:
        return  # all trials of a scan are complete
    recording = data.recording
    in_training = plan.split[recording.image_index] == SPLIT_CODES["train"]
    recorded = ~np.isnan(recording.responses[in_training][:, plan.neuron_index])
    silent = plan.neuron_index[~recorded.any(0)]
    if len(silent):
        raise ValueError(
            f"data set {data.name}, session {plan.session}: neuron {silent[0]} has no "
            "recorded response (all NaN) to any training image; leave it out in preprocessing"
        )


def info_of(data: DataSet, plan: RunPlan) -> RecordingInfo | ClassifierInfo:
    """What the model of this run may know of its neurons (training images only), or classes."""
    if data.classes is not None:
        return ClassifierInfo(len(data.classes), data.stimulus_shape)
    scans = tuple(
        group.info(part.neuron_index, _training_trials(group, part))
        for group, part in zip(data.together[plan.session], plan.parts, strict=True)
    )
    if data.recording is None:
        mean = filled = np.concatenate([scan.mean_response for scan in scans])
    else:
        mean, filled = _mean_responses(data.recording, plan)
    return RecordingInfo(
        stimulus_shape=data.stimulus_shape,
        n_neurons=len(mean),
        mean_response=mean,
        mean_response_filled=filled,
        background=data.background,
        scans=scans,
    )


def _mean_responses(recording: Recording, plan: RunPlan) -> tuple[np.ndarray, np.ndarray]:
    """Mean over training images; over training trials with missing ones counted as 0."""
    rates = recording.mean_over_trials()[:, plan.neuron_index]
    in_training = plan.split[recording.image_index] == SPLIT_CODES["train"]
    trials = recording.responses[in_training][:, plan.neuron_index]
    mean = np.nanmean(rates[plan.split == SPLIT_CODES["train"]], axis=0).astype("f4")
    return mean, np.nan_to_num(trials).mean(axis=0, dtype="f8").astype("f4")


def _training_trials(group: Group, part: Part) -> np.ndarray:
    return np.flatnonzero(part.split[group.recorded.image_index] == SPLIT_CODES["train"])


def initial_model(data: DataSet, plan: RunPlan) -> torch.nn.Module:
    """Build the run's network with its own initialisation; other random streams are untouched.

    Output biases of a network with a method ``start_biases`` start at the mean responses of a
    first batch of each scan (Lurz et al. 2021, reference section 3.7).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seeds["initialisation"])
        network = build_model(plan.build, info_of(data, plan), plan.params)
        if hasattr(network, "start_biases"):
            for group, part in zip(data.together[plan.session], plan.parts, strict=True):
                trials = _training_trials(group, part)
                first = trials[torch.randperm(len(trials))[: plan.training["batch_size"]].numpy()]
                responses = group.recorded.responses[np.sort(first)][:, part.neuron_index]
                network.start_biases(torch.as_tensor(np.nan_to_num(responses)), part.name)
    if len(plan.parts) > 1 and not takes_scans(network):
        raise ValueError(
            f"{plan.build} has one readout for one scan, data set {data.name} has "
            f"{len(plan.parts)}; make a data set of one of them (docs/adding.md)"
        )
    return network


def record_of(data: DataSet, plan: RunPlan, model: str, environment: dict) -> dict:
    """The part of a run record that is known before training."""
    return {
        "dataset": data.name,
        "source_kind": data.source_kind,
        "model": model,
        "session": plan.session,
        "seed": plan.seed,
        "build": plan.build,
        "params": plan.params,
        "training": plan.training,
        "draw": plan.draw,
        "seeds": plan.seeds,
        **environment,
    }


def environment_of(data_sha256: str, device: str, threads: int) -> dict:
    """Where and with what a run was made."""
    return {
        "data_sha256": data_sha256,
        "device": device,
        "threads": threads,
        "versions": {"python": platform.python_version()}
        | {library: version(library) for library in _LIBRARIES},
        "platform": platform.platform(),
    }


def peak_memory_mb(device: torch.device) -> dict[str, float]:
    """Peak memory of this process so far, and of the GPU if one is used, in MB."""
    peak = {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if device.type == "cuda":
        peak["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peak
