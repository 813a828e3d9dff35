"""What several test files share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "../shared/golden"


@pytest.fixture
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """Arrays recorded from the papers' original code, by file name.

    They are not part of the repository; without them the tests that need them are skipped.
    """

    def load(name: str) -> dict[str, np.ndarray]:
        path = GOLDEN / name
        if not path.is_file():
            pytest.skip(f"no recorded case {name} in {GOLDEN.resolve()}")
        with np.load(path, allow_pickle=False) as data:
            return {key: data[key] for key in data.files}

    return load
