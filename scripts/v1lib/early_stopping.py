"""When a run has learned enough: patience, and stages of a falling learning rate."""

from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

SMALLEST_FALL = 1e-8  # of a learning rate on a plateau, as in PyTorch


class Verdict(StrEnum):
    """What an evaluation means for a run."""

    BETTER = "better"  # the best so far: keep this state
    WORSE = "worse"
    RESTORE = "restore"  # the stage ends: go on from the best state
    STOP = "stop"  # the last stage ends


@dataclass(frozen=True)
class EarlyStopping:
    """How stages end; the ``early_stopping`` section of a training.

    Attributes:
        patience: evaluations in a row without a better value that end a stage.
        stages: after so many the training stops.
        decay: the learning rate is divided by it after each.
        steps_per_stage: a stage ends after so many steps at the latest; None for no limit.
        tolerance: a value must be better by more than this to count.
        restores_optimiser: a new stage goes on with the optimiser's state of the best evaluation,
            too, not with its last one.
        plateau: arguments of ``Plateau``, for a learning rate that falls by a count of its own.

    Source: Burg et al. 2021 (train.py, models.py); with ``steps_per_stage`` the notebooks of Cadena
    et al. 2019; with ``plateau`` Lurz et al. 2021 (trainers.py).
    """

    patience: int
    stages: int
    decay: float = 1.0
    steps_per_stage: int | None = None
    tolerance: float = 0.0
    restores_optimiser: bool = True
    plateau: dict | None = None


@dataclass
class Plateau:
    """Lowers a learning rate when values stop to improve, whatever stages do.

    Lurz et al. 2021 use PyTorch's ``ReduceLROnPlateau`` beside their own count, so that the rate
    falls at the first bad evaluation of the next stage (reference section 4.2). This is its rule.

    Attributes:
        rate: learning rate, at the start and from now on.
        factor: the rate is multiplied by it, but does not fall below ``min_rate``,
        patience: after one more than so many evaluations in a row without a better value.
        tolerance: a value must be better by more than this to count.
        best, n_bad: best value so far, and evaluations since then or since the last fall.
    """

    rate: float
    factor: float
    patience: int
    min_rate: float
    tolerance: float
    best: float = inf
    n_bad: int = 0

    def judge(self, value: float) -> float:
        """Take note of a value, smaller is better; returns the learning rate from now on."""
        if value < self.best - self.tolerance:
            self.best, self.n_bad = value, 0
        else:
            self.n_bad += 1
        if self.n_bad > self.patience:
            self.n_bad = 0
            lower = max(self.rate * self.factor, self.min_rate)
            if self.rate - lower > SMALLEST_FALL:
                self.rate = lower
        return self.rate

    def state(self) -> dict:
        """Plain values, for a resume state."""
        return {name: getattr(self, name) for name in ("rate", "best", "n_bad")}

    def restore(self, state: dict) -> None:
        """Take back what ``state`` gave."""
        for name, value in state.items():
            setattr(self, name, value)


@dataclass
class Schedule:
    """Follows the validation of one run and decides how it goes on.

    Attributes:
        learning_rate: of the present stage.
        stopping: None for a run that goes on to its last step.
        falls_at, fall: after these evaluations (steps) the learning rate is multiplied by ``fall``.
        later_of_equal: of equal values the later one is the best.
        best_value, best_step: smallest value so far and the step (from 0) after which it was found;
            -1 for the network as it was built, None before the first evaluation.
        n_worse, stage, stage_start: evaluations since the best one in this stage, finished stages,
            and the first step of the present one.
    """

    learning_rate: float
    stopping: EarlyStopping | None = None
    falls_at: tuple[int, ...] = ()
    fall: float = 0.1
    later_of_equal: bool = False
    best_value: float = inf
    best_step: int | None = None
    n_worse: int = 0
    stage: int = 0
    stage_start: int = 0
    plateau: Plateau | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.stopping and self.stopping.plateau:
            tolerance = self.stopping.tolerance
            self.plateau = Plateau(self.learning_rate, **self.stopping.plateau, tolerance=tolerance)

    def judge(self, step: int, value: float) -> Verdict:
        """Take note of a value, smaller is better. NaN is worse, and so is an equal value, unless
        ``later_of_equal``; the learning rate follows trained networks only (step from 0).
        """
        tolerance = self.stopping.tolerance if self.stopping else 0.0
        better = value < self.best_value - tolerance
        better |= self.later_of_equal and value == self.best_value
        if better:
            self.best_value, self.best_step, self.n_worse = value, step, 0
        else:
            self.n_worse += 1
        if step in self.falls_at:
            self.learning_rate *= self.fall
        if self.plateau and step >= 0:
            self.learning_rate = self.plateau.judge(value)
        if self.stopping is None or not self._stage_ends(step):
            return Verdict.BETTER if better else Verdict.WORSE
        self.learning_rate /= self.stopping.decay
        self.n_worse = 0
        self.stage += 1
        self.stage_start = step + 1
        return Verdict.STOP if self.stage == self.stopping.stages else Verdict.RESTORE

    def _stage_ends(self, step: int) -> bool:
        limit = self.stopping.steps_per_stage
        out_of_steps = limit is not None and step + 1 - self.stage_start >= limit
        return self.n_worse == self.stopping.patience or out_of_steps

    def state(self) -> dict:
        """Plain values, for a resume state."""
        names = ("learning_rate", "best_value", "best_step", "n_worse", "stage", "stage_start")
        state = {name: getattr(self, name) for name in names}
        return state | {"plateau": self.plateau.state() if self.plateau else None}

    def restore(self, state: dict) -> None:
        """Take back what ``state`` gave."""
        state = dict(state)
        plateau = state.pop("plateau")
        if self.plateau:
            self.plateau.restore(plateau)
        for name, value in state.items():
            setattr(self, name, value)
