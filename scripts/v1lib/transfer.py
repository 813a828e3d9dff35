"""Start networks from the cores of others: trained here on other data, or published.

Source: Lurz et al. 2021, reference section 4.7: a new network takes all weights and batch-norm
statistics of the core; its readout is its own.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from v1lib.runs import RunPlan
from v1lib.weight_files import require_shapes

log = logging.getLogger(__name__)

SCORES = ("best_validation_correlation", "best_validation_accuracy")  # of a run, larger is better


def start_from_cores(
    networks: Sequence[nn.Module],
    plans: Sequence[RunPlan],
    choice: Mapping | None,
    files: list[Path],
) -> None:
    """Fill the core of every network; without ``choice`` they stay as they are.

    Args:
        networks: say which of their weights are the core's (``is_core``), and read published files
            (``read_core``).
        plans: of the networks, in their order.
        choice: the ``core`` section of a model entry. Of trained cores, ``of`` are values of their
            draw, and ``same`` names values that are those of the network's own draw, or the
            ``seed``; among the cores that fit, the one that is best on validation is taken.
        files: all checkpoints of the cores, or the published file.

    Raises:
        FileNotFoundError: the published file is missing.
        ValueError: no core fits, or one has another shape; the message names the file. The network
            reads no published files.
    """
    if choice is None:
        return
    if "source" in choice:
        for network, plan in zip(networks, plans, strict=True):
            if not hasattr(network, "read_core"):
                raise ValueError(f"core.source: no published file is known for {plan.build}")
            network.read_core(files[0])
        return
    candidates = [member for path in files for member in _members(path)]
    for network, plan in zip(networks, plans, strict=True):
        wanted = dict(choice.get("of", {}))
        own = plan.draw | {"seed": plan.seed}
        if unknown := sorted(set(choice.get("same", [])) - set(own)):
            raise ValueError(
                f"core.same: {unknown[0]!r} is no value of this model's draw; it has {sorted(own)}"
            )
        wanted |= {name: own[name] for name in choice.get("same", [])}
        member = _best(candidates, wanted, choice)
        _fill(network, member, choice)
        log.info("%s starts from the core of seed %d of %s", plan.name, member["seed"], choice)


def _members(path: Path) -> list[dict]:
    content = torch.load(path, weights_only=True, map_location="cpu")
    return [member for member in content["members"] if member["state_dict"]]


def _best(candidates: list[dict], wanted: Mapping, choice: Mapping) -> dict:
    fitting = [
        member
        for member in candidates
        if all(_told(member).get(name) == value for name, value in wanted.items())
        and _score(member) is not None
    ]
    if not fitting:
        raise ValueError(
            f"no trained core of {choice['model']} on {choice['dataset']} has {wanted} and a score "
            f"by which it was selected ({', '.join(SCORES)}); its draws are "
            f"{[_told(member) for member in candidates]}"
        )
    return max(fitting, key=_score)


def _score(member: dict) -> float | None:
    """What selected the weights of a network, larger is better."""
    found = [member["record"][score] for score in SCORES if score in member["record"]]
    return found[0] if found else None


def _told(member: dict) -> dict:
    return member["draw"] | {"seed": member["seed"]}


def _fill(network: nn.Module, member: dict, choice: Mapping) -> None:
    needed = {name: value for name, value in network.state_dict().items() if network.is_core(name)}
    given = {name: v for name, v in member["state_dict"].items() if network.is_core(name)}
    where = f"the core of {choice['model']} on {choice['dataset']} does not fit"
    otherwise = "settings of the core must be those it was trained with"
    if more := sorted(set(given) - set(needed)):
        raise ValueError(f"{where}: it has {more[0]}, which is not needed here; {otherwise}")
    require_shapes(needed, given, where=where, otherwise=otherwise)
    network.load_state_dict(given, strict=False)
