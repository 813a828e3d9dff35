"""A run while it is trained: its samples, its batches, its schedule, and what it has reached."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from v1lib.batches import Batches
from v1lib.correlation import correlation
from v1lib.early_stopping import Schedule, Verdict
from v1lib.losses import LOSSES, SUMS
from v1lib.oracle import stabilised_correlation
from v1lib.protocol import Protocol
from v1lib.runs import Part, RunPlan, RunResult
from v1lib.samples import Samples
from v1lib.splits import SPLIT_CODES

log = logging.getLogger(__name__)

COMPILING_PAYS_FROM = 1000  # steps of a run: compiling takes 5 to 7 s, a step 5 to 8 ms less

Predicted = Sequence[Mapping[str, Tensor]]  # of each part: split -> [n_samples, n_neurons]


@dataclass
class Run:
    """A run in training. The weights that are best on the validation images are the ones kept.

    Attributes:
        plan, module: what is trained.
        samples: of each part of the plan.
        result: how it ended.
        best_optimiser: what a new stage goes on from.
    """

    plan: RunPlan
    module: nn.Module
    samples: Sequence[Samples]
    result: RunResult = field(default_factory=RunResult)
    best_optimiser: dict | None = None

    def __post_init__(self) -> None:
        self.protocol = Protocol(**self.plan.training)
        pairs = list(zip(self.plan.parts, self.samples, strict=True))
        self.split = [_samples_of_splits(part, samples) for part, samples in pairs]
        self.batches = [
            Batches(
                split["train"],
                size=self.protocol.batch_size,
                order=self.protocol.batches,
                seed=self.plan.seeds["batches"] + number,
            )
            for number, split in enumerate(self.split)
        ]
        self.steps_per_epoch = max(batches.n_per_pass for batches in self.batches)
        self.schedule: Schedule = self.protocol.schedule(self.steps_per_epoch)
        self.evaluation_steps = self.protocol.evaluation_steps(self.steps_per_epoch)
        self.max_steps = self.evaluation_steps[-1] + 1
        for layer in self.module.modules():
            if hasattr(layer, "fused"):
                layer.fused = self.max_steps >= COMPILING_PAYS_FROM

    @property
    def is_running(self) -> bool:
        """Whether it is neither trained nor failed."""
        return self.result.status == "running"

    def losses(self, predicted: Predicted, measured: Predicted) -> dict[str, float]:
        """Loss of each evaluated split that has samples."""
        found = {}
        for name in self.protocol.evaluated:
            parts = [(p[name], m[name]) for p, m in zip(predicted, measured, strict=True)]
            parts = [pair for pair in parts if len(pair[0])]
            losses = [self._loss(*pair) for pair in parts]
            sizes = [measured.numel() for _, measured in parts]
            if len(losses) == 1:
                found[name] = losses[0]
            elif losses:
                found[name] = float(np.average(losses, weights=sizes))
        return found

    def _loss(self, predicted: Tensor, measured: Tensor) -> float:
        """Of one part; of a loss that is a sum, per response."""
        loss, n = LOSSES[self.protocol.loss], len(predicted)
        if self.protocol.loss in SUMS:
            return float(loss(predicted, measured)) / measured.numel()
        at_once = self.protocol.evaluation_batch or n
        pairs = zip(predicted.split(at_once), measured.split(at_once), strict=True)
        return sum(len(pair[0]) * float(loss(*pair)) for pair in pairs) / n

    def evaluate(
        self, step: int, predicted: Predicted, measured: Predicted, batch_loss: float | None
    ) -> Verdict:
        """Record what is reached after a step.

        ``batch_loss`` is the mean over the batches since the last evaluation, None before any.
        """
        learning_rate = self.schedule.learning_rate
        loss = {} if batch_loss is None else {"train": batch_loss}
        loss |= self.losses(predicted, measured)
        for name in ("train", "validation"):
            if name in loss and not np.isfinite(loss[name]):
                what = {"train": "training"}.get(name, name)
                self._fail(f"{what} loss is {loss[name]} after step {step}")
                return Verdict.STOP
        row = {f"{name}_loss": value for name, value in loss.items()}
        row |= {"step": step, "learning_rate": learning_rate}
        if "test" in self.protocol.evaluated:
            row["test_correlation"] = _correlation(predicted, measured)
        value = loss["validation"]
        if (objective := self.protocol.objective) in MAXIMISED:
            row[f"validation_{objective}"] = MAXIMISED[objective](predicted, measured)
            value = -row[f"validation_{objective}"]
        self.result.history.append(row)
        return self.schedule.judge(step, value)

    def _fail(self, reason: str) -> None:
        self.result.status = "failed"
        self.result.reason = reason
        self.result.state_dict = None
        log.warning("%s failed: %s", self.plan.name, reason)

    def best(self) -> dict:
        """For the record: the best evaluation, and what it found."""
        schedule, name = self.schedule, self.protocol.objective
        found = schedule.best_value if schedule.best_step is not None else None
        if name in MAXIMISED and found is not None:
            found = -found
        return {"best_step": schedule.best_step, f"best_validation_{name}": found}

    def state(self) -> dict:
        """What a resumed job needs of this run, beside its weights."""
        result = self.result
        return {
            "status": result.status,
            "reason": result.reason,
            "state_dict": result.state_dict,
            "history": list(result.history),
            "record": result.record,
            "schedule": self.schedule.state(),
            "best_optimiser": self.best_optimiser,
            "batches": [batches.state() for batches in self.batches],
        }

    def restore(self, state: dict) -> None:
        """Take back what ``state`` gave."""
        for name in ("status", "reason", "state_dict", "history", "record"):
            setattr(self.result, name, state[name])
        self.schedule.restore(state["schedule"])
        self.best_optimiser = state["best_optimiser"]
        for batches, own in zip(self.batches, state["batches"], strict=True):
            batches.restore(own)


def _samples_of_splits(part: Part, samples: Samples) -> dict[str, Tensor]:
    """int64 [n_samples] of each split."""
    split = torch.as_tensor(part.split)[torch.as_tensor(samples.image_index)]
    return {
        name: torch.nonzero(split == code).flatten() for name, code in SPLIT_CODES.items() if name
    }


def _correlation(predicted: Predicted, measured: Predicted) -> float:
    """Mean over neurons of r between predictions and responses to test images."""
    pairs = zip(predicted, measured, strict=True)
    r = [correlation(p["test"].numpy(), m["test"].numpy()) for p, m in pairs]
    return float(np.nan_to_num(np.concatenate(r)).mean())


def _stabilised(predicted: Predicted, measured: Predicted) -> float:
    """Mean over the neurons of all parts of r with single validation trials."""
    pairs = zip(predicted, measured, strict=True)
    r = [stabilised_correlation(p["validation"].numpy(), m["validation"].numpy()) for p, m in pairs]
    return float(np.concatenate(r).mean())


def _accuracy(predicted: Predicted, measured: Predicted) -> float:
    """Share of the validation images whose class has the largest logit."""
    pairs = zip(predicted, measured, strict=True)
    right = [(p["validation"].argmax(-1) == m["validation"]).float() for p, m in pairs]
    return float(torch.cat(right).mean())


MAXIMISED = {"correlation": _stabilised, "accuracy": _accuracy}
