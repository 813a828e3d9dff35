"""What several test files share."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

if "PYTEST_XDIST_WORKER" in os.environ:  # the other cores have tests of their own
    os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).resolve().parent
FIRST = "test_workflow.py"  # minutes in one process: begun last, it would keep one core alone
GOLDEN = (HERE / "golden", HERE.parents[0] / "../shared/golden")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest; the others keep their order."""
    items.sort(key=lambda item: item.path.name != FIRST)


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def one_and_two_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """PyTorch's threads on the CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """Arrays recorded from the papers' original code, by file name.

    Those of a paper that is not yet part of this project are skipped where they are not at hand.
    """

    def load(name: str) -> dict[str, np.ndarray]:
        path = next((folder / name for folder in GOLDEN if (folder / name).is_file()), None)
        if path is None:
            pytest.skip(f"no recorded case {name} in {' or '.join(map(str, GOLDEN))}")
        with np.load(path, allow_pickle=False) as data:
            return {key: data[key] for key in data.files}

    return load
