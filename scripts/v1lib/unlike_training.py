"""What is said of models that are compared although they were trained for different times."""

from collections.abc import Sequence

from v1lib.plotting import looks

UNLIKE = "trained for different times"


def in_words(steps: Sequence[tuple[str, int]]) -> str:
    """That models were trained for different times, and for how many steps at most.

    Args:
        steps: model and steps; none if all were trained alike, of which nothing is said.
    """
    if not steps:
        return ""
    names = looks([model for model, _ in steps])
    listed = "; ".join(f"{names[model].label} {n:,}" for model, n in steps)
    return f"{UNLIKE} (steps at most: {listed})"
