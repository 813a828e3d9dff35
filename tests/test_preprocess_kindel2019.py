"""From the archive of Kindel et al. 2019 to a recording: known facts, and damage that is named."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import preprocess_kindel2019
from v1lib.kindel2019_archive import MEMBER, read_sessions, write_sessions
from v1lib.recording import load_recording

REAL = Path(__file__).resolve().parents[1] / "../shared/data/kindel2019/data.tar.gz"
# Cells, mean count, largest value, mean variance over images of each session of the archive.
FACTS = {
    "01": (26, 0.2754, 2.85, 0.0824),
    "02": (37, 0.6951, 4.65, 0.1972),
    "03": (34, 0.5126, 4.25, 0.1417),
    "04": (28, 0.5780, 4.10, 0.1524),
    "05": (44, 0.4085, 5.85, 0.1613),
    "06": (16, 0.9454, 6.50, 0.4935),
    "07": (36, 0.8380, 7.65, 0.2739),
    "08": (66, 0.6157, 7.10, 0.2266),
    "09": (29, 0.3899, 4.45, 0.1008),
    "10": (76, 0.4902, 8.85, 0.2151),
}


def made_up(n_images=12, n_cells=3, seed=0):
    rng = np.random.default_rng(seed)
    images = np.full((n_images, 33, 33), 116, dtype=np.uint8)
    images[:, 10:20, 8:25] = rng.integers(0, 256, (n_images, 10, 17))
    return images, rng.poisson(8, (n_images, n_cells)) / 20


def preprocess(archive, tmp_path, sessions, source_kind="simulated"):
    recording = tmp_path / "recording.npz"
    preprocess_kindel2019.main(
        archive=archive,
        recording=recording,
        source_kind=source_kind,
        dataset="tested",
        settings={"sessions": sessions, "n_repeats": 20},
    )
    return load_recording(recording)


def test_sessions_become_one_recording(tmp_path):
    images, first = made_up(n_cells=3)
    second = made_up(n_cells=2, seed=5)[1]
    write_sessions(tmp_path / "data.tar.gz", images, {"01": first, "02": second})
    data = preprocess(tmp_path / "data.tar.gz", tmp_path, ["02", "01"])
    assert data.stimuli.shape == (12, 1, 33, 33) and data.stimuli.dtype == np.float32
    assert np.array_equal(data.stimuli[:, 0], images)
    assert data.session.tolist() == ["02", "02", "01", "01", "01"]
    assert np.array_equal(data.responses, np.concatenate([second, first], axis=1).astype("f4"))
    assert np.array_equal(data.image_index, np.arange(12))
    assert (data.n_averaged == 20).all() and (data.split == "").all()
    assert (data.dataset, data.source_kind) == ("tested", "simulated")
    aperture = np.zeros((33, 33), dtype=bool)
    aperture[10:20, 8:25] = True
    assert np.array_equal(data.extras["aperture"], aperture)
    assert data.background == 116


@pytest.mark.skipif(not REAL.is_file(), reason=f"the published archive is not at {REAL}")
def test_published_archive_has_the_published_numbers(tmp_path):
    data = preprocess(REAL, tmp_path, list(FACTS), source_kind="real")
    assert data.responses.shape == (270, 392)
    assert data.stimuli.mean() == pytest.approx(117.47, abs=0.005)
    assert data.background == 116
    aperture = data.extras["aperture"]
    rows, columns = np.flatnonzero(aperture.any(1)), np.flatnonzero(aperture.any(0))
    assert aperture.sum() == 516
    assert [rows[0], rows[-1], columns[0], columns[-1]] == [4, 29, 4, 29]
    for name, (n_cells, mean, largest, variance) in FACTS.items():
        activity = data.responses[:, data.neurons_of(name)].astype(np.float64)
        assert activity.shape[1] == n_cells
        assert activity.mean() == pytest.approx(mean, abs=6e-5)
        assert activity.max() == pytest.approx(largest, abs=1e-6)
        assert activity.var(axis=0).mean() == pytest.approx(variance, abs=6e-5)
    means = data.responses.mean(axis=0)
    assert (means < 0.05).sum() == 26
    without_02 = data.session != "02"
    assert without_02.sum() == 355 and (means[without_02] / 0.106 > 5).sum() == 139


def test_members_are_read_by_name_whatever_their_order(tmp_path):
    images, activity = made_up()
    other = made_up(seed=3)[1]
    write_sessions(tmp_path / "sorted.tar.gz", images, {"01": activity, "02": other})
    with (
        tarfile.open(tmp_path / "sorted.tar.gz") as old,
        tarfile.open(tmp_path / "data.tar.gz", "w:gz") as new,
    ):
        for entry in reversed(old.getmembers()):
            new.addfile(entry, old.extractfile(entry) if entry.isfile() else None)
    read = read_sessions(tmp_path / "data.tar.gz", ["01", "02"], n_repeats=20)
    assert np.array_equal(read["01"].activity, activity)
    assert np.array_equal(read["02"].activity, other)


def archive_of(path, **variables):
    """An archive whose session 02 holds the given variables (or bytes), 01 what is expected."""
    images, activity = made_up()
    content = variables.pop("content", None)
    if content is None:
        buffer = io.BytesIO()
        savemat(buffer, {"images": images, "activity": activity} | variables)
        content = buffer.getvalue()
    good = io.BytesIO()
    savemat(good, {"images": images, "activity": activity})
    with tarfile.open(path, "w:gz") as tar:
        for name, data in (("01", good.getvalue()), ("02", content)):
            entry = tarfile.TarInfo(MEMBER.format(session=name))
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def with_value(value):
    activity = made_up()[1]
    activity[2, 1] = value
    return activity


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"content": b"no MATLAB file at all, " * 20}, "not a readable MATLAB 5 file"),
        ({"images": made_up(seed=9)[0]}, "images differ from those of data/01"),
        ({"images": made_up()[0].astype(float)}, "images is float64"),
        ({"activity": made_up(n_images=11)[1]}, r"activity is float64 \(11, 3\)"),
        ({"activity": with_value(np.nan)}, "1 missing values"),
        ({"activity": with_value(-0.05)}, "not negative"),
        ({"activity": with_value(0.12)}, "cell 1 to image 2 is 0.12"),
    ],
)
def test_damage_is_named_with_archive_and_member(tmp_path, variables, message):
    archive = archive_of(tmp_path / "data.tar.gz", **variables)
    with pytest.raises(ValueError, match=message) as caught:
        preprocess(archive, tmp_path, ["01", "02"])
    assert str(archive) in str(caught.value)
    assert "data/02mean50ms" in str(caught.value)
    assert not (tmp_path / "recording.npz").exists()


def test_missing_variable_and_missing_session_are_named(tmp_path):
    archive = tmp_path / "data.tar.gz"
    buffer = io.BytesIO()
    savemat(buffer, {"pictures": made_up()[0]})
    archive_of(archive, content=buffer.getvalue())
    with pytest.raises(ValueError, match=r"data/02mean50ms.*no variable 'images'"):
        preprocess(archive, tmp_path, ["02"])
    with pytest.raises(ValueError, match="has no member data/07mean50ms"):
        preprocess(archive, tmp_path, ["07"])


@pytest.mark.parametrize("sessions", [[], ["01", "01"]])
def test_a_list_of_sessions_that_makes_no_sense_is_refused(tmp_path, sessions):
    archive = archive_of(tmp_path / "data.tar.gz")
    with pytest.raises(ValueError, match="one or more different names"):
        preprocess(archive, tmp_path, sessions)


def test_images_without_a_uniform_surround_are_refused():
    images = made_up()[0]
    images[3, 0, 0] = 7
    with pytest.raises(ValueError, match="corners of the images have grey values 7 to 116"):
        preprocess_kindel2019.aperture_of(images)
