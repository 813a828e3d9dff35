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
    resident = sum(samples.n_bytes for samples in first.samples) <= resident_bytes
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
