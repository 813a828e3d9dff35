"""From zips with a file per trial to packed scans: what is published, partial copies, bad input."""

import logging
import stat
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import zoom

import preprocess_lurz2020
from made_up_lurz2020 import made_up, npy, zipped
from v1lib.archives import DamagedArchive, UnsafeArchive
from v1lib.lurz2020_archive import array_of, open_scan_folders, scan_name
from v1lib.scans import open_scans

NAME = "20457-5-9-0"
FOLDER = "static20457-5-9-preproc0"
SETTINGS = {"scans": [NAME], "counts": {}, "size_px": [6, 8], "downsampling": 1}


def preprocess(tmp_path, *archives, **settings):
    folder = tmp_path / "out" / "set"
    preprocess_lurz2020.main(
        archives=list(archives),
        scans=folder,
        source_kind="simulated",
        dataset="tested",
        settings=SETTINGS | settings,
    )
    return open_scans(folder)


def test_trials_are_packed_once(tmp_path):
    made = made_up()
    [scan] = preprocess(tmp_path, zipped(tmp_path / "a.zip", made)).values()
    images, responses = made.data["images"], made.data["responses"]
    sd = made.meta["statistics/responses/all/std"]
    assert scan.name == NAME and scan.source_kind == "simulated" and scan.dataset == "tested"
    assert scan.stimuli.shape == (19, 1, 6, 8) and scan.responses.shape == (27, 5)
    assert np.array_equal(scan.stimuli[scan.image_index], images)
    assert np.array_equal(scan.trial, np.arange(27))
    precision = np.append(1 / sd[:-1], 1 / (0.01 * sd.mean()))
    assert np.allclose(scan.precision, precision, rtol=1e-12)
    assert np.allclose(scan.responses, responses * precision, rtol=1e-6)
    tiers = made.meta["trials/tiers"]
    assert np.array_equal(scan.split[scan.image_index], tiers)
    assert scan.trials("train").tolist() == np.flatnonzero(tiers == "train").tolist()
    assert sorted(len(rows) for rows in scan.repeats()) == [3, 4, 4]
    ids = made.meta["trials/frame_image_id"]
    assert np.array_equal(scan.image_id[scan.image_index], ids)
    assert scan.unit_id.tolist() == [3, 5, 7, 9, 11] and set(scan.match_id) == {-1}
    assert np.array_equal(scan.neuron_position, made.meta["neurons/cell_motor_coordinates"])
    assert (scan.facts.image_mean, scan.facts.image_sd) == (111.25, 60.5)
    assert scan.facts.n_trials_listed == 27 and scan.facts.origin == f"a.zip, {FOLDER}"


def test_a_partial_copy_is_read_and_said_to_be_one(tmp_path, caplog):
    made = made_up()
    tiers = made.meta["trials/tiers"]
    keep = [np.flatnonzero(tiers == tier)[:3] for tier in ("train", "validation", "test")]
    gone = np.setdiff1d(np.arange(27), np.concatenate(keep))
    # Of the first of them the response is there, of the second the image: neither can be used.
    files = [f"/images/{gone[0]}.npy", f"/responses/{gone[1]}.npy"]
    files += [f"/{kind}/{trial}.npy" for kind in ("images", "responses") for trial in gone[2:]]
    archive = zipped(tmp_path / "a.zip", made, without=files)
    with caplog.at_level(logging.INFO):
        [scan] = preprocess(tmp_path, archive).values()
    assert np.array_equal(scan.trial, np.sort(np.concatenate(keep)))
    assert np.array_equal(scan.stimuli[scan.image_index], made.data["images"][scan.trial])
    assert (len(scan.trials("train")), scan.facts.n_trials_listed) == (3, 27)
    assert "a partial copy, the files of 18 of 27 trials are missing" in caplog.text


def test_several_scans_of_several_archives_in_the_order_asked_for(tmp_path):
    second = made_up("static21067-10-18-GrayImageNet-94c6ff", n_neurons=3, seed=1)
    matched = made_up("static7-1-2-preproc0", seed=2)
    meta = {**matched.meta, "neurons/multi_match_id": np.array([4, -1, 2, 8, 9])}
    matched = replace(matched, meta=meta)
    archives = [
        zipped(tmp_path / "a.zip", made_up(), matched),
        zipped(tmp_path / "b.zip", replace(second, folder=f"top/{second.folder}")),
    ]
    scans = preprocess(tmp_path, *archives, scans=["21067-10-18", "7-1-2-0"])
    assert list(scans) == ["21067-10-18", "7-1-2-0"]
    assert scans["21067-10-18"].n_neurons == 3
    assert scans["7-1-2-0"].match_id.tolist() == [4, -1, 2, 8, 9]
    with pytest.raises(ValueError, match=r"no scan 1-1-1-0 in .*a\.zip, .*there are 20457-5-9-0"):
        preprocess(tmp_path, *archives, scans=["1-1-1-0"])


def test_tiers_beyond_the_three_are_left_out(tmp_path):
    made = made_up()
    tiers = made.meta["trials/tiers"].astype("<U12")
    hidden = np.flatnonzero(tiers == "train")[:2]
    tiers[hidden] = "final_test"
    archive = zipped(
        tmp_path / "a.zip", replace(made, meta={**made.meta, "trials/tiers": tiers.astype("S")})
    )
    [scan] = preprocess(tmp_path, archive).values()
    assert np.array_equal(scan.trial, np.setdiff1d(np.arange(27), hidden))
    assert (scan.facts.n_trials_listed, len(scan.stimuli)) == (25, 17)


@pytest.mark.parametrize("factor", [2, 4])
def test_downsampling_takes_what_lies_at_the_middle_of_the_new_pixels(factor):
    images = np.random.default_rng(0).uniform(0, 255, (2, 1, 16, 24))
    scale = (1, 1, 1 / factor, 1 / factor)
    # Bilinear, over the whole grid of pixels, without smoothing: what scikit-image's rescale does.
    expected = zoom(images, scale, order=1, mode="mirror", grid_mode=True)
    found = preprocess_lurz2020.downsampled(images, factor)
    assert found.shape == (2, 1, 16 // factor, 24 // factor)
    assert np.allclose(found, expected, atol=1e-9)


def test_images_are_downsampled_on_the_way(tmp_path):
    made = made_up(size_px=(8, 12))
    archive = zipped(tmp_path / "a.zip", made)
    [scan] = preprocess(tmp_path, archive, size_px=[8, 12], downsampling=4).values()
    assert scan.stimuli.shape == (19, 1, 2, 3)
    middle = made.data["images"][0, 0, 1:3, 5:7].mean()
    assert scan.stimuli[scan.image_index[0], 0, 0, 1] == pytest.approx(middle)
    for factor in (3, 0, 8):
        with pytest.raises(ValueError, match=f"downsampling is {factor}, expected 1 or an even"):
            preprocess(tmp_path, archive, size_px=[8, 12], downsampling=factor)


def test_the_precision_of_responses_agrees_with_the_original(golden):
    case = golden("lurz2021/losses_and_measures.npz")
    sd = case["normaliser_response_std"]
    assert (sd < 0.01 * sd.mean()).any()  # the bound is part of the case
    precision = preprocess_lurz2020.precision_of(sd)
    np.testing.assert_allclose(precision, case["normaliser_precision"], rtol=1e-12)
    response = case["normaliser_response_in"] * precision
    np.testing.assert_allclose(response, case["normaliser_response_out"], rtol=1e-12)


def test_published_counts_are_checked(tmp_path):
    archive = zipped(tmp_path / "a.zip")
    counts = {"neurons": 5, "train": 12, "validation": 4, "test": 11}
    preprocess(tmp_path, archive, counts={NAME: counts, "other": {"neurons": 7}})
    for what in counts:
        wrong = {NAME: counts | {what: 99}}
        with pytest.raises(ValueError, match=rf"{FOLDER} has \d+ of {what}, the published .* 99"):
            preprocess(tmp_path, archive, counts=wrong)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("static20457-5-9-preproc0", "20457-5-9-0"),
        ("static20457-5-9-preproc12_nobehavior.zip", "20457-5-9-12"),
        ("static21067-10-18-GrayImageNet-94c6ff995dac583098847cfecd43e7b6", "21067-10-18"),
    ],
)
def test_scans_are_named_by_their_folder(folder, name):
    assert scan_name(folder) == name
    with pytest.raises(ValueError, match="is no folder of a scan"):
        scan_name(folder.replace("static", "dynamic"))


def assert_refused(tmp_path, archive, message, error=ValueError, **settings):
    with pytest.raises(error, match=message) as caught:
        preprocess(tmp_path, archive, **settings)
    assert "a.zip" in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


POINTER = b"/annex/objects/MD5E-s9344--0123456789abcdef0123456789abcdef.npy\n"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("data/images/0", POINTER, r"data/images/0\.npy: the archive holds pointers of git-annex"),
        ("data/responses/3", b"../../.git/annex/objects/x/y", "pointers of git-annex"),
        ("meta/trials/tiers", b"version https://git-lfs.github.com/spec/v1\n", "pointers of git"),
        ("data/images/0", b"hello", r"data/images/0\.npy is no \.npy file"),
        ("data/images/0", npy(np.zeros((1, 6, 8)))[:-4], "truncated or damaged: 380 bytes of data"),
        ("data/images/0", npy(np.zeros((1, 6, 8))) + b"0", "truncated or damaged"),
        ("data/images/0", npy(np.zeros((1, 6, 8)))[:40], "header of another version or damaged"),
        ("data/images/0", b"\x93NUMPY\x07\x00", "header of another version or damaged"),
        ("data/responses/1", npy(np.array([{}] * 5), allow_pickle=True), "holds Python objects"),
        ("data/images/0", npy(np.zeros((1, 8, 6))), r"shape \(1, 8, 6\), expected \(1, 6, 8\)"),
        ("data/images/0", npy(np.full((1, 6, 8), np.nan)), "no numbers, infinite or negative"),
        ("data/images/0", npy(np.full((1, 6, 8), "a")), "no numbers, infinite or negative"),
        ("data/responses/2", npy(np.zeros(4)), r"responses/2.npy has shape \(4,\), expected \(5,"),
        ("data/responses/2", npy(np.array([1, 2, np.nan, 0, 0])), "no numbers, infinite"),
        ("data/responses/2", npy(np.array([1, 2, np.inf, 0, 0])), "no numbers, infinite"),
        ("data/responses/2", npy(np.array([1, 2, -0.1, 0, 0])), "infinite or negative"),
        ("data/responses/27", npy(np.zeros(5)), "file 27.npy, but 27 trials are listed"),
        ("meta/trials/tiers", npy(np.full(26, "train")), r"have shapes \(26,\), \(27,\), \(27,\)"),
        ("meta/trials/tiers", npy(np.full(27, "train")), "no validation trial has both its files"),
        ("meta/trials/frame_image_id", npy(np.zeros(27, int)), "frame_image_id 0 is in two tiers"),
        ("meta/neurons/unit_ids", npy(np.arange(4)), r"unit_id has shape \(4,\), expected \(5,\)"),
        (
            "meta/neurons/cell_motor_coordinates",
            npy(np.zeros((5, 2))),
            r"neuron_position has shape \(5, 2\), expected \(5, 3\)",
        ),
        ("meta/statistics/responses/all/std", npy(np.array([1.0, np.nan])), "no standard deviat"),
        ("meta/statistics/responses/all/std", npy(np.zeros(5)), "no standard deviations"),
        ("meta/statistics/images/all/std", npy(np.array([1.0, 2.0])), "expected one number"),
    ],
)
def test_what_is_not_as_published_is_named_and_leaves_nothing(tmp_path, file, content, message):
    replaced = {f"{FOLDER}/{file}.npy": content}
    if file == "data/responses/27":
        replaced[f"{FOLDER}/data/images/27.npy"] = npy(np.zeros((1, 6, 8)))
    assert_refused(tmp_path, zipped(tmp_path / "a.zip", replaced=replaced), message)


def test_equal_ids_must_show_equal_images(tmp_path):
    made = made_up()
    test = np.flatnonzero(made.meta["trials/tiers"] == "test")
    made.data["images"][test[0], 0, 2, 3] += 1
    archive = zipped(tmp_path / "a.zip", made)
    assert_refused(tmp_path, archive, r"the images of frame_image_id \d+ differ")


def test_missing_files_of_the_scan_are_named(tmp_path):
    for missing in ("meta/trials/tiers", "meta/statistics/responses/all/std"):
        archive = zipped(tmp_path / "a.zip", without=[missing])
        assert_refused(tmp_path, archive, f"no file {missing}.npy")


def test_archives_without_a_scan_or_with_one_twice_are_refused(tmp_path):
    archive = zipped(tmp_path / "a.zip", without=["data", "meta"])
    assert_refused(tmp_path, archive, r"has no folder static<animal>.*config\.json")
    twice = zipped(tmp_path / "a.zip", made_up(), replace(made_up(), folder=f"copy/{FOLDER}"))
    assert_refused(tmp_path, twice, "has scan 20457-5-9-0 twice")


def test_links_of_git_annex_are_explained(tmp_path):
    archive = zipped(tmp_path / "a.zip")
    link = zipfile.ZipInfo(f"{FOLDER}/data/images/30.npy")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr(link, "../.git/annex/objects/x")
    assert_refused(tmp_path, archive, "is a link.*pointers of git-annex", UnsafeArchive)


def test_a_truncated_archive_is_named(tmp_path):
    archive = zipped(tmp_path / "a.zip")
    archive.write_bytes(archive.read_bytes()[:-100])
    assert_refused(tmp_path, archive, r"a\.zip is truncated", DamagedArchive)


def test_arrays_are_read_in_both_orders_of_memory_and_never_larger_than_their_file():
    array = np.arange(12.0).reshape(3, 4)
    for written in (array, np.asfortranarray(array), array.astype(">f4")):
        assert np.array_equal(array_of(npy(written), origin="a"), array)
    assert array_of(npy(np.array(3.5)), origin="a") == 3.5
    unclosed = npy(np.zeros(2)).replace(b"(2,)", b"(999")
    with pytest.raises(ValueError, match="a: header of another version or damaged"):
        array_of(unclosed, origin="a")
    header = npy(np.zeros(2)).replace(b"'shape': (2,), }          ", b"'shape': (2000000000,), } ")
    with pytest.raises(ValueError, match="a is truncated or damaged: 16 bytes of data, not 160000"):
        array_of(header, origin="a")


def test_a_scan_folder_lists_trials_with_both_files(tmp_path):
    archive = zipped(tmp_path / "a.zip", without=["/images/4.npy", "/responses/9.npy"])
    with open_scan_folders(archive) as scans:
        assert scans[NAME].trials().tolist() == [n for n in range(27) if n not in (4, 9)]
        assert scans[NAME].array("meta/trials/tiers").dtype.kind == "U"
