"""Train models of responses and classifiers by gradient descent: the one loop of all papers.

Runs of a block are trained one after the other, or *stacked*: networks of one architecture with a
common leading axis, in one batched computation, which is how a GPU is filled by small networks.
Both draw the same batches and agree up to rounding, except for what is drawn per batch on the
device (dropout, augmentation), where a stack has other draws. A network may say that it cannot be
stacked (``v1lib.models.is_stackable``).
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from v1lib.adversary import Adversary
from v1lib.early_stopping import Verdict
from v1lib.losses import LOSSES, SUMS, scale_of_batch
from v1lib.mixed_precision import LossScale
from v1lib.models import is_stackable, takes_scans
from v1lib.optimisers import OPTIMISERS
from v1lib.run_feeds import feeds_of
from v1lib.stacking import Stack
from v1lib.training_run import Run
from v1lib.training_state import ResumeFile

log = logging.getLogger(__name__)

SECONDS_BETWEEN_REPORTS = 30.0
PREDICTED_AT_ONCE = {"cpu": 1024, "cuda": 4096}  # images times networks; ResNet-50: 1 MB each


def fit(
    runs: list[Run],
    *,
    device: torch.device,
    stacked: bool,
    resume: ResumeFile,
    seconds_between_saves: float = 60.0,
    resident_bytes: float = float("inf"),
) -> None:
    """Train all runs; each ends with its result filled in, be it trained or failed.

    Args:
        runs: networks with their data.
        device: where to train.
        stacked: train runs of equal architecture and protocol in one computation; those of
            networks that cannot be stacked are still trained one after the other.
        resume: where the state of the unfinished block is kept.
        seconds_between_saves: least time between two resume states.
        resident_bytes: larger data are streamed to the device, see ``v1lib.feeds``.
    """
    groups = _groups(runs) if stacked else [[run] for run in runs]
    saved = resume.load() or {"runs": [run.state() for run in runs], "stack": None}
    for run, state in zip(runs, saved["runs"], strict=True):
        run.restore(state)
    stack_state = saved["stack"]
    clock = _Clock(seconds_between_saves)

    def save(trainer: Trainer | None = None) -> None:
        if clock.is_due():
            stack = trainer.state() if trainer else None
            resume.save({"runs": [run.state() for run in runs], "stack": stack})

    for number, group in enumerate(groups, start=1):
        if not any(run.is_running for run in group):
            continue
        log.info("group %d of %d: %s", number, len(groups), _names(group))
        trainer = Trainer(group, device, resident_bytes=resident_bytes)
        if stack_state is not None:
            trainer.restore(stack_state)
            stack_state = None
        trainer.train(partial(save, trainer))
        save()


class _Clock:
    """Says when it is time, at most every so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.last = time.monotonic()

    def is_due(self) -> bool:
        now = time.monotonic()
        if now - self.last <= self.seconds:
            return False
        self.last = now
        return True


def _groups(runs: list[Run]) -> list[list[Run]]:
    """Runs that can be stacked: strengths of penalties are buffers and may differ.

    Those with another number of training samples have other batches. Each run whose network cannot
    be stacked is a group of its own.
    """
    alone = [[run] for run in runs if not is_stackable(run.module)]
    if len(alone) > 1:
        log.info("%d networks cannot be stacked, they are trained one after the other", len(alone))

    def kind(run: Run) -> str:
        shape = {name: value for name, value in run.plan.params.items() if name != "penalties"}
        n_training = [len(split["train"]) for split in run.split]
        return repr((run.plan.build, shape, run.protocol, n_training))

    others = sorted((run for run in runs if is_stackable(run.module)), key=kind)
    return alone + [list(group) for _, group in groupby(others, key=kind)]


def _names(group: list[Run]) -> str:
    first, last = group[0].plan.name, group[-1].plan.name
    return first if len(group) == 1 else f"{first} to {last} ({len(group)} networks stacked)"


class Trainer:
    """Trains one stack of networks and evaluates it on its way."""

    def __init__(
        self, runs: list[Run], device: torch.device, *, resident_bytes: float = float("inf")
    ) -> None:
        self.all_runs = runs
        self.runs = list(runs)  # those still in training, in the order of the stack
        self.protocol = runs[0].protocol
        self.evaluation_steps = runs[0].evaluation_steps
        self.device = device
        self.stack = Stack([run.module for run in runs], runs[0].plan.seeds["noise"], device)
        self.scans = _scans_of(runs[0])
        self.feeds = feeds_of(runs, device, resident_bytes=resident_bytes)
        self.evaluated = [self._evaluated_images(part) for part in range(len(self.feeds))]
        self.loss = LOSSES[self.protocol.loss]
        self.optimiser = OPTIMISERS[self.protocol.optimiser](
            self.stack.parameters,
            len(runs) if self.stack.is_batched else None,
            **self.protocol.optimiser_settings,
        )
        half = self.protocol.mixed_precision and device.type == "cuda"
        self.loss_scale = LossScale(enabled=half)
        adversary = self.protocol.adversary
        self.adversary = Adversary(**adversary) if adversary else None
        self.batch_loss = torch.zeros(len(runs), device=device)
        self.n_done = self.n_evaluated = 0
        self.seconds = {"training": 0.0, "evaluation": 0.0}

    def train(self, save: Callable[[], None]) -> None:
        """Run to the end, reporting progress; ``save`` is called where a resumed job may go on."""
        report = _Clock(SECONDS_BETWEEN_REPORTS)
        for step in self.evaluation_steps[self.n_evaluated :]:
            if not self.runs:
                break
            if n_steps := step + 1 - self.n_done:
                self._advance(n_steps)
            self._evaluate(step)
            if report.is_due():
                self._report()
            if self.runs:
                save()
        self._finish()

    def state(self) -> dict:
        """All that decides the rest of the training of this stack."""
        return {
            "members": [self.all_runs.index(run) for run in self.runs],
            "n_done": self.n_done,
            "n_evaluated": self.n_evaluated,
            "seconds": dict(self.seconds),
            "stack": self.stack.state(),
            "optimiser": self.optimiser.state(),
            "loss_scale": self.loss_scale.state(),
            "adversary": self.adversary.state() if self.adversary else None,
        }

    def restore(self, state: dict) -> None:
        """Take back what ``state`` gave."""
        if len(state["members"]) < len(self.runs):
            self._keep(state["members"])
        self.n_done, self.n_evaluated = state["n_done"], state["n_evaluated"]
        self.seconds = state["seconds"]
        self.stack.restore(state["stack"])
        self.optimiser.restore(state["optimiser"])
        self.loss_scale.restore(state["loss_scale"])
        if self.adversary:
            self.adversary.restore(state["adversary"], self.device)

    def _evaluated_images(self, part: int) -> Tensor:
        """Rows of the stimuli of a part that evaluations need, for any run."""
        image_index = self.feeds[part].image_index
        samples = [run.split[part][name] for run in self.runs for name in self.protocol.evaluated]
        return image_index[torch.cat(samples)].unique()

    def _advance(self, n_steps: int) -> None:
        """Make some steps, each on one batch of every scan."""
        start = time.monotonic()
        rates = [run.schedule.learning_rate for run in self.runs]
        rate = torch.tensor(rates, device=self.device) if self.stack.is_batched else rates[0]
        self.batch_loss.zero_()
        streams = [
            feed.read(self._batches(part, n_steps), self.n_done)
            for part, feed in enumerate(self.feeds)
        ]
        with self.stack.training():
            for batches in zip(*streams, strict=True):
                for _ in range(self.adversary.replays if self.adversary else 1):
                    loss = self._update(batches, rate)
                self.batch_loss += loss / n_steps
        self.n_done += n_steps
        self.seconds["training"] += time.monotonic() - start

    def _batches(self, part: int, n_steps: int) -> list[Tensor]:
        """The samples of the next steps, int64 [n_members, size] each."""
        drawn = [run.batches[part].draw(n_steps) for run in self.runs]
        return [torch.stack(step) for step in zip(*drawn, strict=True)]

    def _update(self, batches: Sequence[tuple[Tensor, Tensor]], rate: Tensor | float) -> Tensor:
        """One step of the optimiser on a batch of every scan; mean loss of each member."""
        for parameter in self.stack.parameters:
            parameter.grad = None
        losses = [self._backward(part, *batch) for part, batch in enumerate(batches)]
        if self.adversary:
            self.adversary.follow()
        if self.loss_scale.unscale(self.stack.parameters):
            self.optimiser.step(rate)
        return torch.stack(losses).mean(0)

    def _backward(self, part: int, images: Tensor, responses: Tensor) -> Tensor:
        """Add the gradients of a batch; the loss of each member, for the record."""
        if self.adversary:
            images = self.adversary.perturbed(images)
        with self.loss_scale.autocast(self.device):
            prediction, penalty = self.stack(images, self.scans[part])
        loss = self.loss(prediction.float(), responses)
        scale = self.loss_scale.scale
        if self.protocol.scaled:
            scale *= scale_of_batch(self.feeds[part].samples.n_listed, responses.shape[1])
        (scale * loss + self.loss_scale.scale * penalty).sum().backward()
        if self.protocol.loss in SUMS:
            return loss.detach() / responses[0].numel()
        return loss.detach()

    def _evaluate(self, step: int) -> None:
        start = time.monotonic()
        shown = [self._shown(part) for part in range(len(self.feeds))]
        batch_loss = self.batch_loss.tolist() if step >= 0 else [None] * len(self.runs)
        is_last = step == self.evaluation_steps[-1]
        for number, run in enumerate(self.runs):
            predicted, measured = self._compared(number, run, shown)
            verdict = run.evaluate(step, predicted, measured, batch_loss[number])
            self._follow(verdict, number)
            if run.is_running and (is_last or verdict == Verdict.STOP):
                run.result.status = "ok"
            if not run.is_running:
                self._close(run)
        if not all(run.is_running for run in self.runs):
            self._keep([n for n, run in enumerate(self.runs) if run.is_running])
        self.n_evaluated += 1
        self.seconds["evaluation"] += time.monotonic() - start

    def _shown(self, part: int) -> Tensor:
        """Predictions [n_members, n_evaluated_images, n_neurons] of one part, on the CPU."""
        at_once = max(1, PREDICTED_AT_ONCE[self.device.type] // len(self.stack))
        feed, scan = self.feeds[part], self.scans[part]
        rows = self.evaluated[part].split(at_once)
        return torch.cat([self.stack.predict(feed.images(own), scan) for own in rows], 1)

    def _compared(
        self, number: int, run: Run, shown: list[Tensor]
    ) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]:
        """Predictions and responses of a member to the samples of the evaluated splits."""
        predicted, measured = [], []
        for part, feed in enumerate(self.feeds):
            samples = {name: run.split[part][name] for name in self.protocol.evaluated}
            n_neurons = len(run.plan.parts[part].neuron_index)
            place = {
                name: torch.searchsorted(self.evaluated[part], feed.image_index[own])
                for name, own in samples.items()
            }
            own_shown = shown[part][number, :, :n_neurons]
            predicted.append({name: own_shown[rows] for name, rows in place.items()})
            measured.append({name: feed.responses(number, own) for name, own in samples.items()})
        return predicted, measured

    def _follow(self, verdict: Verdict, number: int) -> None:
        """Keep the best state of a member, or go back to it."""
        run = self.runs[number]
        if verdict == Verdict.BETTER:
            run.result.state_dict = self.stack.state_dict(number)
            if self.protocol.early_stopping:
                run.best_optimiser = {"weights": self.stack.member(number)}
                if run.schedule.stopping.restores_optimiser:
                    run.best_optimiser |= self.optimiser.member(number)
        elif verdict == Verdict.RESTORE and run.best_optimiser:
            self.stack.put(number, run.best_optimiser["weights"])
            if run.schedule.stopping.restores_optimiser:
                self.optimiser.put(number, run.best_optimiser)

    def _keep(self, numbers: list[int]) -> None:
        """Go on with some of the runs; a stack shrinks with them."""
        self.runs = [self.runs[number] for number in numbers]
        if self.runs and self.stack.is_batched:
            self.stack.keep(numbers)
            for feed in self.feeds:
                feed.keep(numbers)
            self.batch_loss = self.batch_loss[numbers]
            self.optimiser.keep(numbers, self.stack.parameters)

    def _close(self, run: Run) -> None:
        """Record how a run ended."""
        run.best_optimiser = None
        run.result.record = {
            "steps": self.n_done,
            **run.best(),
            "stopped_early": self.n_done < run.max_steps,
            "networks_in_stack": len(self.all_runs),
        }

    def _report(self) -> None:
        latest = [run.result.history[-1] for run in self.all_runs if run.result.history]
        values = [
            np.mean([row.get(key, np.nan) for row in latest]) if latest else np.nan
            for key in ("train_loss", "validation_loss")
        ]
        log.info(
            "step %d of at most %d, %d of %d networks in training: training loss %.4f, validation "
            "loss %.4f; %.1f steps/s, %.1f %% of the time evaluation",
            self.n_done,
            self.all_runs[0].max_steps,
            len(self.runs),
            len(self.all_runs),
            *values,
            self.n_done / sum(self.seconds.values()),
            100 * self.seconds["evaluation"] / sum(self.seconds.values()),
        )

    def _finish(self) -> None:
        seconds = sum(self.seconds.values())
        for run in self.all_runs:
            run.result.record["wall_seconds"] = seconds / len(self.all_runs)
        self._report()
        log.info("%d networks: %.1f s", len(self.all_runs), seconds)


def _scans_of(run: Run) -> list[str | None]:
    """What the network is told of the scan that a batch comes from, for each part."""
    named = takes_scans(run.module)
    return [part.name if named else None for part in run.plan.parts]
