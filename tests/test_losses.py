"""Losses against the recorded original of Lurz et al. 2021.

The recorded values named ``release030_…`` are those of a later release of the public library, whose
Poisson loss adds 1e-8 in place of 1e-12 to the prediction and can add Stirling's term. Nothing in
the paper or here uses that loss, so they are not compared.
"""

import numpy as np
import pytest
import torch

from v1lib.losses import poisson_sum, scale_of_batch


def test_the_loss_agrees_with_the_original(golden):
    case = golden("lurz2021/losses_and_measures.npz")
    prediction, target = (torch.as_tensor(case[key]) for key in ("prediction", "target"))
    total = poisson_sum(prediction, target)
    np.testing.assert_allclose(total, case["poisson_all_sum"], rtol=1e-4)
    np.testing.assert_allclose(total / target.numel(), case["poisson_all_mean"], rtol=1e-4)
    single = [
        poisson_sum(p[:, None], t[:, None]) for p, t in zip(prediction.T, target.T, strict=True)
    ]
    np.testing.assert_allclose(single, case["poisson_per_neuron_sum"], rtol=1e-4)
    np.testing.assert_allclose(
        np.array(single) / len(target), case["poisson_per_neuron_mean"], rtol=1e-4
    )
    missing = target.clone()
    missing[3] = torch.nan
    rest = torch.arange(len(target)) != 3
    expected = poisson_sum(prediction[rest], target[rest])
    assert float(poisson_sum(prediction, missing)) == pytest.approx(float(expected), rel=1e-6)


def test_the_scale_of_a_batch_counts_all_trials():
    assert scale_of_batch(5993, 64) == pytest.approx(9.677, abs=5e-4)  # reference section 4.1
    with pytest.raises(ValueError, match="a batch of 0 out of 10 trials"):
        scale_of_batch(10, 0)
