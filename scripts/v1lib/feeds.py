"""How batches reach the device: from memory there, or read from files ahead of their use.

A feed belongs to one scan (or to a recording) and to the members of a stack, which share its images
and learn their own samples. Everything that fits stays on the device, since a copy at each step
would cost more than the step of a small network; scans that do not fit are streamed.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from v1lib.samples import Samples
from v1lib.scans import read_batches


class Feed(ABC):
    """Batches and images of one scan for the members of a stack.

    Args:
        samples: of the scan.
        columns: int64 [n_neurons] for each member, columns of the responses.
        device: where tensors go.

    Attributes:
        image_index: int64 [n_samples], as in ``Samples``.
    """

    def __init__(
        self, samples: Samples, columns: Sequence[np.ndarray], device: torch.device
    ) -> None:
        self.samples = samples
        self.columns = list(columns)
        self.device = device
        self.image_index = torch.as_tensor(samples.image_index)

    @abstractmethod
    def read(self, batches: list[Tensor], first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and responses of batches of samples.

        Args:
            batches: int64 [n_members, size] each, on the CPU.
            first_step: number of the step that the first batch is for.

        Yields:
            [n_members, size, C, H, W] and [n_members, size, largest n_neurons], NaN where a
            member has fewer neurons.
        """

    @abstractmethod
    def images(self, rows: Tensor) -> Tensor:
        """[n, C, H, W] on the device, rows of the stimuli."""

    def responses(self, number: int, samples: Tensor) -> Tensor:
        """[n, n_neurons] on the CPU: responses of a member's neurons."""
        rows = samples.numpy()
        return torch.from_numpy(self.samples.responses[rows].take(self.columns[number], axis=1))

    def keep(self, numbers: list[int]) -> None:
        """Go on with some of the members."""
        self.columns = [self.columns[number] for number in numbers]


class ResidentFeed(Feed):
    """Holds all images and responses on the device."""

    def __init__(
        self, samples: Samples, columns: Sequence[np.ndarray], device: torch.device
    ) -> None:
        super().__init__(samples, columns, device)
        stimuli = torch.as_tensor(np.require(samples.stimuli, requirements="W"))
        self.stimuli = stimuli.contiguous(memory_format=torch.channels_last).to(device)
        self.all_responses = _stacked(samples.responses, self.columns).to(device)
        self.index_on_device = self.image_index.to(device)

    def read(self, batches: list[Tensor], first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """See ``Feed.read``."""
        sizes = [batch.shape[1] for batch in batches]
        together = torch.cat(batches, 1).to(self.device)  # one copy for all steps
        member = torch.arange(len(self.columns), device=self.device)[:, None]
        for samples in together.split(sizes, 1):
            images = self.stimuli[self.index_on_device[samples]]
            yield images, self.all_responses[member, samples]

    def images(self, rows: Tensor) -> Tensor:
        """See ``Feed.images``."""
        return self.stimuli[rows.to(self.device)]

    def keep(self, numbers: list[int]) -> None:
        """See ``Feed.keep``."""
        super().keep(numbers)
        self.all_responses = self.all_responses[numbers]


class StreamedFeed(Feed):
    """Reads the next batches from mapped files while one is computed."""

    def read(self, batches: list[Tensor], first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """See ``Feed.read``."""
        own = [member for batch in batches for member in batch]  # of all members, step by step
        n_ahead = 2 * len(self.columns)
        reader = read_batches(self.samples, (samples.numpy() for samples in own), n_ahead=n_ahead)
        widest = max(len(columns) for columns in self.columns)
        for _ in batches:
            images, responses = [], []
            for columns in self.columns:
                shown, measured = next(reader)
                chosen = torch.from_numpy(measured.take(columns, axis=1))
                images.append(torch.from_numpy(shown))
                responses.append(_padded(chosen, widest))
            yield self._sent(torch.stack(images)), self._sent(torch.stack(responses))
        reader.close()

    def images(self, rows: Tensor) -> Tensor:
        """See ``Feed.images``."""
        return self._sent(torch.from_numpy(self.samples.stimuli[rows.numpy()]))

    def _sent(self, tensor: Tensor) -> Tensor:
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor


def _stacked(responses: np.ndarray, columns: list[np.ndarray]) -> Tensor:
    """[n_members, n_samples, largest n_neurons]; equal members share their memory."""
    first = columns[0]
    if all(np.array_equal(own, first) for own in columns):
        own = torch.from_numpy(responses.take(first, axis=1))
        return own[None].expand(len(columns), -1, -1)
    widest = max(map(len, columns))
    return torch.stack(
        [_padded(torch.from_numpy(responses.take(own, axis=1)), widest) for own in columns]
    )


def _padded(responses: Tensor, width: int) -> Tensor:
    return nn.functional.pad(responses, (0, width - responses.shape[1]), value=torch.nan)
