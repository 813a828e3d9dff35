"""Start networks from the cores of others: trained here on other data, or published.

Source: Lurz et al. 2021, reference section 4.7: a new network takes all weights and batch-norm
statistics of the core; its readout is its own.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from v1lib.core_weights import load_core
from v1lib.runs import RunPlan

log = logging.getLogger(__name__)

SCORE = "best_validation_correlation"
PREFIX = "core."


def start_from_cores(
    networks: Sequence[nn.Module],
    plans: Sequence[RunPlan],
    choice: Mapping | None,
    files: list[Path],
) -> None:
    """Fill the core of every network; without ``choice`` they stay as they are.

    Args:
        networks: with a ``core``.
        plans: of the networks, in their order.
        choice: the ``core`` section of a model entry. Of trained cores, ``of`` are values of their
            draw, and ``same`` names values that are those of the network's own draw; among the
            cores that fit, the one with the best validation correlation is taken.
        files: all checkpoints of the cores, or the published file.

    Raises:
        ValueError: no core fits, or one has another shape; the message names the file.
    """
    if choice is None:
        return
    if "source" in choice:
        for network in networks:
            load_core(network.core, files[0])
        return
    candidates = [member for path in files for member in _members(path)]
    for network, plan in zip(networks, plans, strict=True):
        wanted = dict(choice.get("of", {}))
        wanted |= {name: plan.draw.get(name) for name in choice.get("same", [])}
        member = _best(candidates, wanted, choice)
        _fill(network.core, member, choice)
        log.info("%s starts from the core of seed %d of %s", plan.name, member["seed"], choice)


def _members(path: Path) -> list[dict]:
    content = torch.load(path, weights_only=True, map_location="cpu")
    return [member for member in content["members"] if member["state_dict"]]


def _best(candidates: list[dict], wanted: Mapping, choice: Mapping) -> dict:
    fitting = [
        member
        for member in candidates
        if all(member["draw"].get(name) == value for name, value in wanted.items())
    ]
    if not fitting:
        raise ValueError(
            f"no trained core of {choice['model']} on {choice['dataset']} has {wanted}; its draws "
            f"are {[member['draw'] for member in candidates]}"
        )
    return max(fitting, key=lambda member: member["record"][SCORE])


def _fill(core: nn.Module, member: dict, choice: Mapping) -> None:
    state = {
        name.removeprefix(PREFIX): value
        for name, value in member["state_dict"].items()
        if name.startswith(PREFIX)
    }
    try:
        core.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(
            f"the core of {choice['model']} on {choice['dataset']} does not fit; settings of the "
            f"core must be those it was trained with ({error})"
        ) from error
