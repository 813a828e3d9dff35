"""The models, one file per paper. A configuration names a model as ``file.function``.

Model files never import each other; this module imports none of them before it is asked to.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import nn

from v1lib.recording import RecordingInfo, ScanInfo

IMAGES_AT_ONCE = 512  # so that the feature maps of thousands of images fit into memory
_CONTENT = (
    *("dataset", "model", "source_kind", "stimulus_shape", "background", "classes"),
    "members",
)


@dataclass(frozen=True)
class ClassifierInfo:
    """What a classifier must know of its images.

    Attributes:
        n_classes: number of outputs.
        stimulus_shape: (channels, height, width) of one image.
    """

    n_classes: int
    stimulus_shape: tuple[int, int, int]


@dataclass(frozen=True)
class TrainedModel:
    """A network read back from a checkpoint.

    Attributes:
        session, seed: which run it comes from.
        neuron_index: int64 [n_neurons], column of each output: of the recording, or of its scan.
        module: the network in evaluation mode; images [n, C, H, W] -> responses [n, n_neurons].
        parts: the session, or the scans, that it predicts, by name; see ``v1lib.runs.Part``.
        draw, params: what a search drew, and with what the network was built.
        model: its name in the configuration.
    """

    session: str
    seed: int
    neuron_index: np.ndarray
    module: nn.Module
    parts: Mapping[str, "TrainedPart"] = field(default_factory=dict)
    draw: dict = field(default_factory=dict)
    params: dict = field(default_factory=dict)
    model: str = ""

    def respond(self, images: np.ndarray, scan: str | None = None) -> np.ndarray:
        """Responses float32 [n_images, n_neurons] to images [n_images, C, H, W].

        The images are in the units of the recording's stimuli. With ``scan`` only its neurons
        respond, without all do.
        """
        parts = torch.as_tensor(images, dtype=torch.float32).split(IMAGES_AT_ONCE)
        more = (scan,) if scan is not None and takes_scans(self.module) else ()
        with torch.no_grad():
            return torch.cat([self.module(part, *more) for part in parts]).numpy()


@dataclass(frozen=True)
class TrainedPart:
    """A session or scan of a trained network.

    Attributes:
        neuron_index: int64 [n_neurons], columns of its responses.
        split: int8 [n_images], codes of ``v1lib.splits.SPLIT_CODES``.
    """

    neuron_index: np.ndarray
    split: np.ndarray


def takes_scans(network: nn.Module) -> bool:
    """Whether a network has readouts by scan, and takes the name of one after the images."""
    return hasattr(network, "readouts")


def is_stackable(network: nn.Module) -> bool:
    """Whether several of its kind can be computed as one (``v1lib.stacking``); its word counts."""
    return getattr(network, "stackable", True)


def build_model(build: str, info: RecordingInfo | ClassifierInfo, params: dict) -> nn.Module:
    """Build the model that a configuration entry names.

    Args:
        build: ``file.function`` below this package, e.g. ``kindel2019.cnn``.
        info: the neurons to predict, or the classes.
        params: keyword arguments of that function, all of them.

    Raises:
        ValueError: there is no such file or function, or the parameters do not fit.
    """
    try:
        file, function = build.split(".")
        builder = getattr(import_module(f"{__name__}.{file}"), function)
    except (ValueError, AttributeError, ModuleNotFoundError) as error:
        raise ValueError(f"build: {build!r} names no function of v1lib/models ({error})") from error
    try:
        return builder(info, **params)
    except TypeError as error:
        raise ValueError(f"params of build: {build} do not fit: {error}") from error


def load_models(checkpoint: Path, *, seeds: Collection[int] | None = None) -> list[TrainedModel]:
    """Read the trained networks of a block of runs (failed runs are left out).

    Args:
        checkpoint: file of a block.
        seeds: only those; all without.

    Raises:
        ValueError: the file is no checkpoint of this project.
    """
    content = _content_of(checkpoint)
    info = _info_of(content)
    return [
        replace(_restore(member, info), model=content["model"])
        for member in content["members"]
        if member["state_dict"] and (seeds is None or member["seed"] in seeds)
    ]


def load_blocks(checkpoints: Sequence[Path]) -> list[TrainedModel]:
    """The trained networks of all blocks of one or several models.

    Args:
        checkpoints: files of the blocks.

    Returns:
        Models in the order of the files, the networks of each by seed.

    Raises:
        ValueError: see ``check_trained``.
    """
    check_trained(checkpoints)
    networks = [network for path in checkpoints for network in load_models(path)]
    models = list(dict.fromkeys(network.model for network in networks))
    return sorted(networks, key=lambda network: (models.index(network.model), network.seed))


def check_trained(checkpoints: Sequence[Path]) -> None:
    """That every model of some blocks has a network.

    Raises:
        ValueError: a file is no checkpoint of this project, or all runs of a model failed.
    """
    found = {}
    for path in checkpoints:
        about = about_checkpoint(path)
        found[about["model"]] = found.get(about["model"], 0) + about["n_networks"]
    if failed := [model for model, n_networks in found.items() if not n_networks]:
        raise ValueError(f"no network of model {failed[0]} was trained: all its runs failed")
    if not found:
        raise ValueError("no checkpoint was given")


def about_checkpoint(checkpoint: Path) -> dict:
    """What a checkpoint says of its networks, without reading their weights.

    Returns:
        dataset, model, source_kind, stimulus_shape [C, H, W], background, classes (None if it
        predicts neurons), and n_networks, how many were trained.

    Raises:
        ValueError: the file is no checkpoint of this project.
    """
    content = _content_of(checkpoint, mmap=True)
    members = content.pop("members")
    return content | {"n_networks": sum(bool(member["state_dict"]) for member in members)}


def _content_of(checkpoint: Path, *, mmap: bool = False) -> dict:
    try:
        content = torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=mmap)
        if isinstance(content, dict) and "members" in content and "model" not in content:
            raise ValueError("an older version wrote it; train again")
        return {key: content[key] for key in _CONTENT}
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError) as error:
        raise ValueError(f"{checkpoint}: not a readable checkpoint ({error})") from error


def _info_of(content: dict) -> RecordingInfo | ClassifierInfo:
    """What all networks of a checkpoint were built from."""
    shape = tuple(content["stimulus_shape"])
    if content.get("classes"):
        return ClassifierInfo(len(content["classes"]), shape)
    return RecordingInfo(
        stimulus_shape=shape,
        n_neurons=0,
        mean_response=np.zeros(0, dtype=np.float32),
        mean_response_filled=np.zeros(0, dtype=np.float32),
        background=content["background"],
    )


def _restore(member: dict, info: RecordingInfo | ClassifierInfo) -> TrainedModel:
    parts = {
        part["name"]: TrainedPart(
            np.array(part["neuron_index"], dtype=np.int64), np.array(part["split"], dtype=np.int8)
        )
        for part in member["parts"]
    }
    neuron_index = np.concatenate([part.neuron_index for part in parts.values()])
    unknown = np.zeros(len(neuron_index), dtype=np.float32)
    if isinstance(info, RecordingInfo):
        info = replace(
            info,
            n_neurons=len(neuron_index),
            mean_response=unknown,
            mean_response_filled=unknown,
            scans=tuple(_scan_info(part) for part in member["parts"]),
        )
    module = build_model(member["build"], info, member["params"])
    module.load_state_dict(member["state_dict"])
    module.eval().requires_grad_(False)
    return TrainedModel(
        session=member["session"],
        seed=member["seed"],
        neuron_index=neuron_index,
        module=module,
        parts=parts,
        draw=member["draw"],
        params=member["params"],
    )


def _scan_info(part: dict) -> ScanInfo:
    """What decides the form of the readout of a part; its state holds the rest."""
    n_neurons = len(part["neuron_index"])
    match_id = part["match_id"]
    return ScanInfo(
        name=part["name"],
        mean_response=np.zeros(n_neurons, dtype=np.float32),
        neuron_position=np.arange(3.0 * n_neurons).reshape(n_neurons, 3),
        match_id=None if match_id is None else np.array(match_id),
    )
