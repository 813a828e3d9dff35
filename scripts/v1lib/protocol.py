"""How a network is trained: the ``training`` section of a model entry."""

from dataclasses import dataclass, field

from v1lib.early_stopping import EarlyStopping, Schedule

OBJECTIVES = ("loss", "correlation", "accuracy")


@dataclass(frozen=True)
class Protocol:
    """The settings of one training.

    Attributes:
        optimiser: a name of ``v1lib.optimisers.OPTIMISERS``.
        learning_rate: at the start.
        batch_size: samples per step.
        loss: a name of ``v1lib.losses.LOSSES``.
        max_steps: number of updates at most.
        evaluate_every, evaluate_offset: evaluations follow the update of step s (from 0) when
            s = evaluate_offset modulo evaluate_every, and of the last; without early stopping also
            that of s = 1, as in Kindel et al. 2019.
        max_epochs: in place of the three above: evaluations precede the first and follow each epoch
            (Lurz et al. 2021), in which every scan gives a batch to each step and the largest scan
            is passed through once.
        samples: "images" with mean responses, or single "trials".
        batches: a name of ``v1lib.batches.ORDERS``.
        scaled: multiply the loss of a batch by ``v1lib.losses.scale_of_batch``.
        evaluated: splits whose loss is computed at evaluations, "validation" among them. The
            training loss of a run that does not evaluate "train" is the mean over its batches.
        evaluation_batch: samples whose losses are averaged by their number; None for all at once.
        objective: what decides on the validation images: their "loss", or the mean over neurons
            of the "correlation" with single trials (``v1lib.oracle.stabilised_correlation``), or
            the "accuracy" of a classifier, of equal ones the later.
        early_stopping: arguments of ``EarlyStopping``; None to go on to the last step.
        optimiser_settings: further arguments of the optimiser.
        mixed_precision: compute in half precision on a GPU, see ``v1lib.mixed_precision``.
        adversary: arguments of ``v1lib.adversary.Adversary``, for images in [-1, 1].
        augmentation: how labelled training images vary, see ``v1lib.labelled_feed``.
        milestones: after these epochs the learning rate is multiplied by ``milestone_factor``.
    """

    optimiser: str
    learning_rate: float
    batch_size: int
    loss: str
    max_steps: int | None = None
    evaluate_every: int | None = None
    evaluate_offset: int | None = None
    max_epochs: int | None = None
    samples: str = "images"
    batches: str = "anew"
    scaled: bool = False
    evaluated: tuple[str, ...] = ("train", "validation", "test")
    evaluation_batch: int | None = None
    objective: str = "loss"
    early_stopping: dict | None = None
    optimiser_settings: dict = field(default_factory=dict)
    mixed_precision: bool = False
    adversary: dict | None = None
    augmentation: dict = field(default_factory=dict)
    milestones: tuple[int, ...] = ()
    milestone_factor: float = 0.1

    def __post_init__(self) -> None:
        by_steps = (self.max_steps, self.evaluate_every, self.evaluate_offset)
        if (self.max_epochs is None) == (None in by_steps):
            raise ValueError(
                "a training needs either max_epochs or max_steps, evaluate_every and "
                f"evaluate_offset; it has {self.max_epochs} and {by_steps}"
            )
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective is {self.objective!r}, allowed: {', '.join(OBJECTIVES)}")

    def evaluation_steps(self, steps_per_epoch: int) -> list[int]:
        """Steps after whose update the network is evaluated; -1 is before the first."""
        if self.max_epochs is not None:
            return list(range(-1, steps_per_epoch * self.max_epochs, steps_per_epoch))
        steps = set(range(self.evaluate_offset, self.max_steps, self.evaluate_every))
        steps |= {self.max_steps - 1} if self.early_stopping else {1, self.max_steps - 1}
        return sorted(step for step in steps if step < self.max_steps)

    def schedule(self, steps_per_epoch: int) -> Schedule:
        """A schedule for one run, at its start."""
        return Schedule(
            self.learning_rate,
            EarlyStopping(**self.early_stopping) if self.early_stopping else None,
            falls_at=tuple(steps_per_epoch * epoch - 1 for epoch in self.milestones),
            fall=self.milestone_factor,
            later_of_equal=self.objective == "accuracy",
        )
