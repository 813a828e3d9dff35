"""Predictions of a block of runs."""

import numpy as np
import pytest
import torch

from predict import main as predict
from recordings import trial_recording
from test_early_stopping import SMALL_NORMALIZATION, trained
from v1lib.models import load_models
from v1lib.predictions import load_predictions


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """Two networks, hardly trained."""
    folder = tmp_path_factory.mktemp("block") / "run"
    model = SMALL_NORMALIZATION | {"training": SMALL_NORMALIZATION["training"] | {"max_steps": 10}}
    trained(folder, model, [0, 1])
    return folder


def predicted(block, checkpoint):
    output = checkpoint.with_name("predictions.npz")
    predict(
        recording=block / "recording.npz",
        checkpoint=checkpoint,
        predictions=output,
        threads=1,
    )
    return load_predictions(output)


def test_predictions_are_those_of_the_networks(block):
    found = predicted(block, block / "checkpoint.pt")
    recording = trial_recording()
    for row, network in enumerate(load_models(block / "checkpoint.pt")):
        np.testing.assert_allclose(found.predictions[row], network.respond(recording.stimuli))
    assert (found.split[0, 0] == found.split[1, 0]).all()


def test_a_network_with_predictions_that_are_not_finite_counts_as_failed(block, tmp_path, caplog):
    content = torch.load(block / "checkpoint.pt", weights_only=True)
    content["members"][1]["state_dict"]["readout.bias"][2] = torch.inf
    torch.save(content, tmp_path / "checkpoint.pt")
    found = predicted(block, tmp_path / "checkpoint.pt")
    assert np.isfinite(found.predictions[0]).all()
    assert np.isnan(found.predictions[1]).all()
    assert "seed 1: predictions that are not finite" in caplog.text
