"""Training steps on batches that are streamed from a mapped scan."""

import numpy as np
import pytest
import torch

from v1lib.losses import poisson_sum
from v1lib.models import build_model
from v1lib.optimisers import CorrectedAdam
from v1lib.recording import RecordingInfo, ScanInfo
from v1lib.scans import ScanFacts, new_scans, open_scans, read_batches

SIZE_PX, N_IMAGES, N_NEURONS = (12, 14), 23, 9
CORE = {"filters": 8, "layers": 2, "input_kernel": 5, "hidden_kernel": 3, "momentum": 0.9}
READOUTS = {
    "gaussian": {"covariance": "full", "init_sigma": 0.4, "retinotopy": {"init_scale": 0.2}},
    "factorised": {},
}


@pytest.fixture
def scan(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "image_index": rng.permutation(N_IMAGES),
        "trial": np.arange(N_IMAGES),
        "split": np.array(["train", "validation"])[(np.arange(N_IMAGES) % 5 == 4).astype(int)],
        "image_id": np.arange(N_IMAGES),
        "image_class": np.full(N_IMAGES, "noise"),
        "neuron_position": rng.uniform(-300, 300, (N_NEURONS, 3)),
        "unit_id": np.arange(N_NEURONS),
        "match_id": np.full(N_NEURONS, -1),
        "layer": np.full(N_NEURONS, "L4"),
        "response_sd": np.ones(N_NEURONS),
        "precision": np.ones(N_NEURONS),
    }
    with (
        new_scans(tmp_path / "set", dataset="tested", source_kind="simulated") as writer,
        writer.scan(ScanFacts("1-1-1-0", N_IMAGES, 127.0, 60.0, "made up"), arrays, SIZE_PX) as (
            stimuli,
            responses,
        ),
    ):
        stimuli[:] = rng.uniform(0, 255, stimuli.shape)
        responses[:] = rng.exponential(1.0, responses.shape)
    return open_scans(tmp_path / "set")["1-1-1-0"]


def network_of(scan, kind, columns):
    means = scan.mean_response(scan.trials("train"))[columns]
    facts = ScanInfo(scan.name, means, scan.neuron_position[columns])
    info = RecordingInfo((1, *SIZE_PX), len(columns), means, scans=(facts,))
    readout = READOUTS[kind] | {"kind": kind}
    params = {"core": CORE, "readout": readout, "penalties": {"smoothness": 1.0, "readout": 0.1}}
    torch.manual_seed(0)
    return build_model("lurz2021.convolutional", info, params).train()


def losses_of(network, batches, scan):
    parameters = list(network.parameters())
    optimiser = CorrectedAdam(parameters, None)
    torch.manual_seed(1)
    found = []
    for images, responses in batches:
        prediction = network(torch.as_tensor(images), scan.name)
        loss = poisson_sum(prediction, torch.as_tensor(responses)) + network.penalty(scan.name)
        for parameter in parameters:
            parameter.grad = None
        loss.backward()
        optimiser.step(0.005)
        found.append(float(loss.detach()))
    return found


@pytest.mark.parametrize("kind", READOUTS)
def test_training_on_streamed_batches_is_that_on_arrays_in_memory(scan, kind):
    assert isinstance(scan.responses, np.memmap) and isinstance(scan.stimuli, np.memmap)
    columns = np.array([7, 0, 3, 4])
    order = np.random.default_rng(2).permutation(scan.trials("train"))
    trials = [*np.split(order, range(4, len(order), 4)), order[:3]]
    stimuli, responses = np.array(scan.stimuli), np.array(scan.responses)
    in_memory = [(stimuli[scan.image_index[t]], responses[t].take(columns, 1)) for t in trials]
    expected = losses_of(network_of(scan, kind, columns), in_memory, scan)
    streamed = read_batches(scan, iter(trials), neurons=columns)
    assert losses_of(network_of(scan, kind, columns), streamed, scan) == expected
    assert len(set(expected)) == len(trials)
