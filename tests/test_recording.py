"""The common form of recordings."""

from dataclasses import replace

import numpy as np
import pytest

from recordings import linear_recording
from v1lib.recording import Recording, load_recording


def test_a_recording_comes_back_as_it_was(tmp_path):
    recording = replace(linear_recording(), extras={"aperture": np.eye(8, dtype=bool)})
    recording.save(tmp_path / "r.npz")
    back = load_recording(tmp_path / "r.npz")
    np.testing.assert_array_equal(back.responses, recording.responses)
    np.testing.assert_array_equal(back.extras["aperture"], np.eye(8, dtype=bool))
    assert (back.dataset, back.source_kind) == ("linear", "simulated")
    assert back.session_names == ["01", "02"]
    assert back.neurons_of("02").tolist() == [3, 4, 5]


def test_mean_over_trials_weighs_presentations_and_skips_missing_ones():
    recording = Recording(
        stimuli=np.zeros((3, 1, 2, 2), np.float32),
        responses=np.array([[1.0, np.nan], [4.0, 2.0], [5.0, np.nan]], np.float32),
        image_index=np.array([0, 0, 1]),
        session=np.array(["01", "01"]),
        split=np.array(["train"] * 3),
        n_averaged=np.array([1, 2, 1]),
        dataset="d",
        source_kind="real",
    )
    expected = [[3.0, 2.0], [5.0, np.nan], [np.nan, np.nan]]
    np.testing.assert_array_equal(recording.mean_over_trials(), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_index": np.arange(60) + 1}, "image_index points outside the 60 stimuli"),
        ({"session": np.array(["01"])}, r"responses has shape \(60, 6\), expected \(60, 1\)"),
        ({"source_kind": "fake"}, "source_kind is 'fake'"),
        ({"stimuli": np.full((60, 1, 8, 8), np.nan)}, "stimuli hold values that are not finite"),
        ({"responses": np.full((60, 6), np.inf)}, "responses hold infinite values"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(linear_recording(), **change)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "r.npz"
    linear_recording().save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"r\.npz is damaged or truncated"):
        load_recording(path)


def test_the_background_is_the_grey_outside_the_aperture():
    recording = linear_recording()
    aperture = np.ones((8, 8), bool)
    aperture[0] = False
    recording.stimuli[:, :, 0] = 116
    assert replace(recording, extras={"aperture": aperture}).background == 116
