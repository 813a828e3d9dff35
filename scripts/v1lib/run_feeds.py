"""What brings the samples of runs to the device, scan by scan."""

from collections.abc import Sequence

import torch

from v1lib.feeds import Feed, ResidentFeed, StreamedFeed
from v1lib.labelled_feed import LabelledFeed
from v1lib.samples import LabelledSamples
from v1lib.training_run import Run


def feeds_of(runs: Sequence[Run], device: torch.device, *, resident_bytes: float) -> list[Feed]:
    """One feed for each part of the runs, all resident or all read as they go.

    Args:
        runs: trained together; they share their images.
        device: where tensors go.
        resident_bytes: what may be kept on the device.
    """
    first = runs[0]
    needed = sum(_bytes_on_device(runs, part) for part in range(len(first.samples)))
    resident = needed <= resident_bytes
    if isinstance(first.samples[0], LabelledSamples):
        settings = {
            "augmentation": first.protocol.augmentation,
            "seed": first.plan.seeds["noise"],
            "resident": resident,
        }
        return [LabelledFeed(first.samples[0], len(runs), device, **settings)]
    kind = ResidentFeed if resident else StreamedFeed
    return [
        kind(samples, [run.plan.parts[part].neuron_index for run in runs], device)
        for part, samples in enumerate(first.samples)
    ]


def _bytes_on_device(runs: Sequence[Run], part: int) -> int:
    """What a part takes; members that learn other neurons have responses of their own."""
    samples = runs[0].samples[part]
    if isinstance(samples, LabelledSamples):
        return samples.n_bytes
    neurons = [run.plan.parts[part].neuron_index for run in runs]
    n_copies = len(runs) if len({own.tobytes() for own in neurons}) > 1 else 1
    per_neuron = samples.responses.nbytes // samples.responses.shape[1]
    return samples.stimuli.nbytes + n_copies * max(map(len, neurons)) * per_neuron
