"""Read what comes next while the present is computed with."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    read: Callable[[Item], Result], items: Iterable[Item], *, n_ahead: int
) -> Iterator[Result]:
    """What ``read`` makes of each item, in their order, the next ones in the background.

    Args:
        read: called in another thread.
        items: taken as they are needed, so they may be endless.
        n_ahead: results that wait before they are asked for; memory grows with it.
    """
    waiting: deque = deque()
    with ThreadPoolExecutor(max_workers=1) as reader:
        for item in items:
            waiting.append(reader.submit(read, item))
            if len(waiting) > n_ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
