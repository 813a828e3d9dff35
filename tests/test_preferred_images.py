"""Preferred images of networks with planted receptive fields."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import insilico_orientation_tuning
import insilico_preferred_images
from v1lib.block_files import save_checkpoint
from v1lib.data_sets import of_recording
from v1lib.files import read_csv, read_npz
from v1lib.insilico import AscentSettings, Frame, image_correlation
from v1lib.models import TrainedModel, build_model
from v1lib.preferred_images import Starts, objective_of, preferred_images
from v1lib.recording import Recording, RecordingInfo
from v1lib.runs import Part, RunPlan, RunResult
from v1lib.stimuli import aperture_disc, gabor

SIZE = (33, 33)
APERTURE = aperture_disc(SIZE, diameter_px=26, centre_px=(16.5, 16.5))
FRAME = Frame(APERTURE, 116.0)
SETTINGS = AscentSettings(n_steps=100, step_size=5.0, blur_sigma_px=0.5, rms_contrast=40.0)
STARTS = Starts(n_starts=2, std=1.0, seed=0)
ORIENTATIONS = np.array([10.0, 55.0, 100.0, 145.0])
FIELDS = gabor(
    SIZE,
    wavelength_px=7,
    orientation_deg=ORIENTATIONS,
    phase_deg=np.array([0, 60, 90, 180]),
    sigma_px=3,
    centre_px=(16.5, 16.5),
)


@pytest.fixture(autouse=True)
def one_thread():
    """These batches are far too small to share among threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class RectifiedLinear(nn.Module):
    """One planted receptive field per neuron; silent at first, as its threshold is high."""

    def __init__(self, fields: np.ndarray, threshold: float) -> None:
        super().__init__()
        self.fields = torch.as_tensor(fields, dtype=torch.float32).flatten(1).T
        self.threshold = threshold

    def pre_output(self, images):
        return (images / 116 - 1).flatten(1) @ self.fields - self.threshold

    def forward(self, images):
        return torch.relu(self.pre_output(images))


class NoPreOutput(nn.Module):
    """The same neurons without the door behind the rectifier."""

    def __init__(self, module: RectifiedLinear) -> None:
        super().__init__()
        self.module = module

    def forward(self, images):
        return self.module(images)


def networks(fields=FIELDS, *, seeds=(0, 3), neuron_index=(4, 5, 6, 7), threshold=3.0):
    module = RectifiedLinear(fields, threshold)
    return [TrainedModel("01", seed, np.array(neuron_index), module) for seed in seeds]


def found_in(networks_, neurons):
    return preferred_images(networks_, neurons, frame=FRAME, settings=SETTINGS, starts=STARTS)


def test_planted_receptive_fields_are_recovered_and_not_those_of_others():
    neurons = np.array([6, 4])
    found = found_in(networks(), neurons)
    planted = FIELDS[neurons - 4]
    likeness = image_correlation(found.mean, planted, APERTURE)
    assert (likeness > 0.9).all()
    assert (np.abs(image_correlation(found.mean, planted[::-1], APERTURE)) < 0.3).all()
    assert (found.stability > 0.95).all() and (found.start_agreement > 0.95).all()
    assert found.by_seed.shape == (2, 2, *SIZE) and found.objective.shape == (2, 2, 2)
    np.testing.assert_array_equal(found.seeds, [0, 3])


def test_a_neuron_of_noise_has_no_field_and_is_not_stable():
    fields = np.random.default_rng(2).normal(size=(2, *SIZE))
    splits = [
        networks(field[None], seeds=[k], neuron_index=[4])[0] for k, field in enumerate(fields)
    ]
    found = found_in(splits, np.array([4]))
    assert abs(found.stability[0]) < 0.5
    assert (np.abs(image_correlation(found.mean, FIELDS, APERTURE)) < 0.4).all()


def test_a_silent_rectifier_is_seen_through_only_by_its_pre_output():
    module = RectifiedLinear(FIELDS, threshold=1e4)
    images = np.full((1, 1, *SIZE), 116.0, dtype=np.float32)
    value, gradient = objective_of(module, np.array([2]))(images)
    assert value[0] == pytest.approx(-1e4) and np.abs(gradient).max() > 0
    value, gradient = objective_of(NoPreOutput(module), np.array([2]))(images)
    assert value[0] == 0 and not gradient.any()


def test_each_image_has_the_gradient_of_its_own_neuron():
    module = RectifiedLinear(FIELDS, threshold=0.0)
    images = np.full((3, 1, *SIZE), 116.0, dtype=np.float32)
    _, gradient = objective_of(module, np.array([3, 0, 3]))(images)
    np.testing.assert_allclose(gradient[:, 0] * 116, FIELDS[[3, 0, 3]], atol=1e-5)


def test_result_of_a_neuron_does_not_depend_on_the_company():
    alone = found_in(networks(), np.array([5]))
    together = found_in(networks(), np.array([7, 5, 4]))
    np.testing.assert_allclose(together.by_seed[1], alone.by_seed[0], atol=1e-2)


class TwoOptima(nn.Module):
    """A neuron that likes one image, and a little less another: ascents end at either."""

    def forward(self, images):
        drive = RectifiedLinear(FIELDS[:2], threshold=0.0).pre_output(images)
        return (drive * torch.tensor([1.0, 0.8])).amax(dim=1, keepdim=True)


def test_best_start_is_kept():
    network = TrainedModel("01", 0, np.array([4]), TwoOptima())
    found = preferred_images(
        [network],
        np.array([4]),
        frame=FRAME,
        settings=SETTINGS,
        starts=Starts(n_starts=8, std=1.0, seed=0),
    )
    assert np.ptp(found.objective) > 0.1 * found.objective.max()
    value = objective_of(TwoOptima(), np.array([0]))(found.by_seed[:, 0, None])[0]
    assert value[0] == pytest.approx(found.objective.max(), rel=1e-4)
    likeness = image_correlation(found.mean, FIELDS[:2], APERTURE)
    assert likeness[0] > 0.9 and abs(likeness[1]) < 0.3
    assert found.start_agreement[0] < 0.9


def test_neurons_of_several_sessions_come_from_their_own_networks():
    first = networks(FIELDS[:2], seeds=[0, 1], neuron_index=[0, 1])
    second = networks(FIELDS[2:], seeds=[1, 2], neuron_index=[2, 3])
    found = found_in(first + second, np.array([3, 0]))
    assert (image_correlation(found.mean, FIELDS[[3, 0]], APERTURE) > 0.9).all()
    known = ~np.isnan(found.by_seed[:, :, 0, 0])
    np.testing.assert_array_equal(known, [[False, True, True], [True, True, False]])
    assert (found.stability > 0.9).all()
    with pytest.raises(ValueError, match="neuron 9"):
        found_in(first, np.array([9]))


@pytest.fixture
def files(tmp_path):
    """A recording, a checkpoint of two untrained networks, and scores that rank the neurons."""
    rng = np.random.default_rng(0)
    stimuli = np.full((20, 1, *SIZE), 116, dtype=np.float32)
    stimuli[:, 0, APERTURE] = rng.uniform(60, 180, (20, APERTURE.sum()))
    recording = Recording(
        stimuli=stimuli,
        responses=rng.gamma(1, 1, (20, 4)).astype(np.float32),
        image_index=np.arange(20),
        session=np.array(["01", "01", "02", "02"]),
        split=np.full(20, ""),
        n_averaged=np.full(20, 20),
        dataset="toy",
        source_kind="simulated",
        extras={"aperture": APERTURE},
    )
    recording.save(tmp_path / "recording.npz")
    info = RecordingInfo((1, *SIZE), 2, np.ones(2, dtype=np.float32), 116.0)
    plans, results = [], []
    for session in ("01", "02"):
        for seed in (0, 1):
            torch.manual_seed(seed)
            plan = RunPlan(
                session=session,
                seed=seed,
                parts=(Part(session, recording.neurons_of(session), np.ones(20, dtype=np.int8)),),
                build="kindel2019.ln",
                params={},
                training={},
                draw={},
                seeds={},
            )
            state = build_model("kindel2019.ln", info, {}).state_dict()
            plans.append(plan)
            results.append(RunResult(status="ok", state_dict=state))
    save_checkpoint(tmp_path / "checkpoint.pt", of_recording(recording), "ln", plans, results)
    rows = [
        {"dataset": "toy", "model": "ln", "seed": seed, "session": session, "neuron": neuron}
        | {"split": "test", "metric": "correlation", "value": value, "source_kind": "simulated"}
        for neuron, session, values in (
            (0, "01", [0.2, 0.2]),
            (1, "01", [0.9, np.nan]),
            (2, "02", [0.5, 0.5]),
            (3, "02", [0.3, 0.4]),
        )
        for seed, value in enumerate(values)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "scores.csv", index=False)
    return tmp_path


def run_step(files, **changes):
    settings = {"sessions": ["01", "02"], "n_neurons": 3, "n_starts": 2, "start_std": 1.0}
    settings |= {"n_steps": 5, "step_size": 5.0, "blur_sigma_px": 0.5, "seed": 0}
    insilico_preferred_images.main(
        recording=files / "recording.npz",
        checkpoints=[files / "checkpoint.pt"],
        scores=files / "scores.csv",
        images=files / "images.npz",
        settings=settings | changes,
        threads=1,
    )
    return read_npz(files / "images.npz")


def test_step_takes_the_best_neurons_counting_undefined_scores_as_zero(files):
    found = run_step(files)
    np.testing.assert_array_equal(found["neuron"], [2, 1, 3])
    np.testing.assert_array_equal(found["session"], ["02", "01", "02"])
    np.testing.assert_allclose(found["mean_r"], [0.5, 0.45, 0.35])
    assert found["images"].shape == found["control"].shape == (3, *SIZE)
    assert np.isfinite(found["images"]).all() and np.isfinite(found["control"]).all()
    assert str(found["source_kind"]) == "simulated" and str(found["model"]) == "ln"
    np.testing.assert_array_equal(run_step(files, sessions=["01"])["neuron"], [1, 0])
    assert len(run_step(files, n_neurons=None)["neuron"]) == 4


def test_step_is_repeatable_and_follows_its_seed(files):
    first, again, other = run_step(files), run_step(files), run_step(files, seed=1)
    np.testing.assert_array_equal(first["images"], again["images"])
    assert not np.array_equal(first["images"], other["images"])


def test_step_names_sessions_without_scores(files):
    with pytest.raises(ValueError, match="'07'"):
        run_step(files, sessions=["07"])


def test_tuning_step_has_a_row_for_each_network_and_neuron(files):
    insilico_orientation_tuning.main(
        recording=files / "recording.npz",
        checkpoints=[files / "checkpoint.pt"],
        tuning=files / "tuning.csv",
        name="ln",
        settings={"wavelengths_px": [6, 9], "n_orientations": 8, "n_phases": 4, "contrast": 0.9},
        threads=1,
    )
    table = read_csv(files / "tuning.csv")
    assert len(table) == 8
    assert not table.duplicated(["seed", "session", "neuron"]).any()
    assert set(table["source_kind"]) == {"simulated"} and set(table["model"]) == {"ln"}
    selectivity = table["orientation_selectivity"].dropna()
    assert len(selectivity) and selectivity.between(0, 1).all()
