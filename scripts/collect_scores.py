"""Join the scores of several models into one table."""

from v1lib.files import write_csv
from v1lib.score_files import read_scores
from v1lib.steps import Inputs, Output


def main(*, scores: Inputs, collected: Output) -> None:
    """From the score tables of several models to one; a score that appears twice is an error."""
    write_csv(read_scores(scores), collected)
