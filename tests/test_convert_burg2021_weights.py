"""Published weights: archives like the authors' become blocks of trained runs that predict."""

import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import convert_burg2021_weights
import predict
from tensorflow_checkpoints import write_checkpoint
from v1lib.burg2021_weights import network_weights, published_runs
from v1lib.files import read_json
from v1lib.models import load_models
from v1lib.predictions import load_predictions
from v1lib.recording import Recording
from v1lib.tensorflow_checkpoint import Checkpoint

FIXTURE = Path(__file__).parent / "fixtures/tensorflow_checkpoint/best.ckpt"
NETWORKS = ("subunit_net", "cnn3", "divisive_net", "nonspecific_divisive_net")
POOLS = ("divisive_3x3_surround_net", "divisive_5x5_surround_net")
SEEDS = list(range(40))
PENALTIES = {"smoothness": 0.0, "readout": 0.0, "nonlinearity": 0.0, "normalization": 0.0}
SMALL = {  # the network of the fixture, on 8 x 8 images
    "build": "burg2021.divisive_net",
    "params": {
        "filters": 2,
        "kernel": 5,
        "pool": {"average_size": 5, "size": 1, "components": 1, "dilation": 5},
        "specific": True,
        "penalties": PENALTIES | {"sparsity": [0.0]},
    },
    "training": {"split": "recording"},
}


def value_of(name, shape):
    return np.random.default_rng(sum(name.encode())).standard_normal(shape, dtype="f4")


def recording_of(images, n_neurons):
    """Images [n, H, W, 1], each seen once by every neuron; splits in turn."""
    n_images = len(images)
    rng = np.random.default_rng(0)
    return Recording(
        stimuli=np.ascontiguousarray(np.moveaxis(images, -1, 1), dtype=np.float32),
        responses=rng.poisson(1.0, (n_images, n_neurons)).astype(np.float32),
        image_index=np.arange(n_images),
        session=np.full(n_neurons, "all"),
        split=np.resize(["train", "validation", "test"], n_images),
        n_averaged=np.ones(n_images, dtype=int),
        dataset="cadena2019",
        source_kind="simulated",
    )


def table_of(numbers, **columns):
    """A table of runs with the authors' columns; later ones drew larger values."""
    n = len(numbers)
    rows = {
        "run_no": numbers,
        "avg_corr_after_train": np.linspace(0.3, 0.5, n),
        "smooth_weights": [f"[{10.0 ** -(9 - i)!r}]" for i in range(n)],
        "readout_sparse_weight": 10.0 ** -np.arange(5, 5 + n),
        "output_nonlin_smooth_weight": 10.0 ** np.arange(-4, n - 4),
        "pool_kernel_size": ["[5, 5]"] * n,
        "last_step": 1000 * np.arange(n),
        "time_elapsed": 60.0 * np.arange(n),
    }
    return pd.DataFrame(rows | columns)


@pytest.fixture
def archive(tmp_path):
    """A function that packs a table and checkpoints as the authors did."""

    def pack(table, checkpoints, folder="net", **others):
        source = tmp_path / "unpacked"
        for number, tensors in checkpoints.items():
            write_checkpoint(source / f"train_logs/run-{number:015d}/best.ckpt", tensors)
        texts = {"results.csv": table.to_csv(), "train_logs/notes.txt": "no weights", **others}
        path = tmp_path / "weights.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            if source.exists():
                tar.add(source, folder)
            for name, text in texts.items():
                member = tarfile.TarInfo(f"{folder}/{name}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        return path

    return pack


@pytest.fixture
def convert(tmp_path):
    """A function that runs the step and returns the three files it leaves."""

    def run(archive, recording, model=SMALL, seeds=SEEDS):
        recording.save(tmp_path / "recording.npz")
        files = {
            "checkpoint": tmp_path / "block/checkpoint.pt",
            "history": tmp_path / "block/history.csv",
            "record": tmp_path / "block/run.json",
        }
        convert_burg2021_weights.main(
            recording=tmp_path / "recording.npz",
            archive=archive,
            name="published",
            model=model,
            seeds=seeds,
            **files,
        )
        return files

    return run


def small_tensors():
    """The variables of the fixture without Adam's, written by this project."""
    checkpoint = Checkpoint(FIXTURE)
    kept = [n for n in checkpoint.names if not re.search(r"Adam|power|types/", n)]
    return {name: checkpoint.read(name) for name in kept}


def small_recording():
    return recording_of(value_of("images", (6, 8, 8, 1)), n_neurons=3)


def test_variables_of_tensorflow_find_their_places():
    state = network_weights(Checkpoint(FIXTURE))
    kernels = value_of("conv0/weights", (5, 5, 1, 2))
    assert state["layers.0.conv.weight"][1, 0, 3, 4] == kernels[3, 4, 0, 1]
    pairs = {
        "readout.spatial": value_of("W_spatial", (16, 3)),
        "readout.features": value_of("W_features", (2, 3)),
        "readout.bias": value_of("b_out", (3,)),
        "nonlinearity.log_weights": value_of("output_nonlinearity/weights", (3, 50)),
        "layers.0.norm.bias": value_of("conv0/BatchNorm/beta", (2,)),
        "layers.0.norm.running_mean": value_of("conv0/BatchNorm/moving_mean", (2,)),
        "layers.0.norm.running_var": value_of("conv0/BatchNorm/moving_variance", (2,)),
        "normalization.exponent": value_of("dn_exponent", (2,)),
        "normalization.semi_saturation": value_of("semisaturation_const", (2,)),
        "normalization.pool": value_of("u", (2, 1, 1, 1)),
        "normalization.weights": value_of("v", (2, 2, 1)),
    }
    assert set(state) == {*pairs, "layers.0.conv.weight"}
    for name, expected in pairs.items():
        np.testing.assert_array_equal(state[name], expected, err_msg=name)


@pytest.mark.parametrize("name", [*NETWORKS, *POOLS])
def test_a_published_network_predicts_as_the_original(golden, archive, convert, name, tmp_path):
    case = golden(f"burg2021/net_{name}.npz")
    tensors = tensors_of(case)
    n_neurons = len(tensors["b_out"])
    packed = archive(table_of([3, 12]), {12: tensors})
    recording = recording_of(case["images"], n_neurons)
    files = convert(packed, recording, model_of(name, tensors))
    (network,) = load_models(files["checkpoint"])
    assert (network.seed, network.session) == (12, "all")
    prediction = network.respond(recording.stimuli)
    np.testing.assert_allclose(prediction, case["eval_prediction"], rtol=1e-4, atol=1e-5)
    predict.main(
        recording=tmp_path / "recording.npz",
        checkpoint=files["checkpoint"],
        predictions=tmp_path / "predictions.npz",
        threads=1,
    )
    stored = load_predictions(tmp_path / "predictions.npz")
    assert stored.seeds.tolist() == [12]
    np.testing.assert_allclose(stored.predictions[0], prediction, rtol=1e-5)


def tensors_of(case):
    """The variables of a recorded case under their names and in their shapes in TensorFlow."""
    tensors = {}
    for key, value in case.items():
        if key.startswith("param__"):
            name = key.removeprefix("param__").replace("__", "/")
            tensors[name] = np.ascontiguousarray(value, dtype="f4")
            tensors[f"{name}/Adam"] = np.full_like(tensors[name], np.nan)
    return tensors


def model_of(name, tensors):
    kernels = [tensors[key] for key in sorted(tensors) if re.fullmatch(r"conv\d/weights", key)]
    sizes, filters = ([kernel.shape[axis] for kernel in kernels] for axis in (0, 3))
    params = {"penalties": PENALTIES | {"sparsity": [0.0] * len(kernels)}}
    if name == "cnn3":
        params |= {"filters": filters, "kernels": sizes}
    else:
        params |= {"filters": filters[0], "kernel": sizes[0]}
    if "v" in tensors:
        pool = {"average_size": 5, "dilation": 5, "size": len(tensors["u"])}
        params["pool"] = pool | {"components": tensors["u"].shape[-1]}
        params["specific"] = name != "nonspecific_divisive_net"
    build = name if name in ("cnn3", "subunit_net") else "divisive_net"
    return {"build": f"burg2021.{build}", "params": params, "training": {"split": "recording"}}


def test_records_tell_what_was_drawn_and_which_runs_have_no_weights(archive, convert):
    table = table_of([5, 0, 7], avg_corr_after_train=[0.4, np.nan, 0.3])
    best = "run_no,fev\n5,0.481\n"
    packed = archive(table, {5: small_tensors()}, **{"df_best.csv": best})
    files = convert(packed, small_recording())
    records = {record["seed"]: record for record in read_json(files["record"])}
    assert {seed: record["status"] for seed, record in records.items()} == {
        0: "failed",
        5: "ok",
        7: "no weights",
    }
    drawn = {"smoothness": 1e-9, "readout": 1e-5, "nonlinearity": 1e-4}
    assert records[5]["draw"] == pytest.approx(drawn)
    penalties = records[5]["params"]["penalties"]
    assert penalties.pop("sparsity") == [0.0]
    assert penalties == pytest.approx(drawn | {"normalization": 0.0})
    assert records[5]["published_validation_correlation"] == 0.4
    assert records[5]["published_fev"] == 0.481
    assert records[7]["draw"]["smoothness"] == pytest.approx(1e-7)
    assert (records[7]["steps"], records[7]["wall_seconds"]) == (2000, 120)
    assert records[7]["archive"] == "weights.tar.gz"
    assert "published_fev" not in records[7]
    assert [network.seed for network in load_models(files["checkpoint"])] == [5]
    assert pd.read_csv(files["history"]).empty


def test_every_seed_of_the_table_must_be_in_the_block(archive, convert):
    packed = archive(table_of([5, 40]), {5: small_tensors()})
    with pytest.raises(ValueError, match=r"runs up to number 40, the block .* ends with 39; .* 41"):
        convert(packed, small_recording())


def test_another_recording_or_model_is_refused_by_name(archive, convert):
    packed = archive(table_of([5]), {5: small_tensors()})
    fewer = recording_of(value_of("images", (6, 8, 8, 1)), n_neurons=2)
    with pytest.raises(
        ValueError, match=r"nonlinearity\.log_weights has shape \(3, 50\), .*\(2, 5"
    ):
        convert(packed, fewer)
    larger = recording_of(value_of("images", (6, 9, 9, 1)), n_neurons=3)
    with pytest.raises(ValueError, match=r"readout\.spatial has shape \(16, 3\), .*\(25, 3\)"):
        convert(packed, larger)
    subunit = {key: SMALL["params"][key] for key in ("filters", "kernel", "penalties")}
    with pytest.raises(ValueError, match=r"normalization\.exponent has shape \(2,\), .* has none"):
        convert(
            packed,
            small_recording(),
            SMALL | {"build": "burg2021.subunit_net", "params": subunit},
        )


def test_a_pool_that_no_variable_shows_is_compared_with_the_table(archive, convert):
    packed = archive(table_of([5], pool_kernel_size=["[3, 3]"]), {5: small_tensors()})
    with pytest.raises(ValueError, match=r"run 5 averages responses over \[3.0\] px, .* is 5"):
        convert(packed, small_recording())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b_out": None}, "no tensor 'b_out'"),
        ({"b_out": np.array([0, np.nan, 0], dtype="f4")}, "b_out holds values that are not finite"),
        ({"b_out": np.zeros((3, 1), dtype="f4")}, r"b_out has shape \(3, 1\), expected 1 axes"),
        ({"v": np.zeros((1, 1, 3, 2, 1), dtype="f4")}, "v has 3 inputs for 2 features"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused(archive, convert, change, message):
    tensors = {k: v for k, v in (small_tensors() | change).items() if v is not None}
    packed = archive(table_of([5]), {5: tensors})
    with pytest.raises((ValueError, KeyError), match=rf"run-000000000000005/best.*{message}"):
        convert(packed, small_recording())


def test_incomplete_archives_are_refused(archive, convert):
    packed = archive(table_of([5]), {6: small_tensors()})
    with pytest.raises(ValueError, match=r"run 6 has weights but no row in results\.csv"):
        convert(packed, small_recording())


def test_an_archive_without_checkpoints_is_refused(archive, convert):
    with pytest.raises(ValueError, match=r"weights\.tar\.gz has no member 'run-\*/best\.ckpt\.\*'"):
        convert(archive(table_of([5]), {}), small_recording())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (table_of([1, 1]), "run 1 occurs more than once"),
        (table_of([1.5]), "row 1 is not understood .run_no is 1.5"),
        (table_of([1], smooth_weights=["[open"]), "row 1 is not understood"),
        (table_of([1]).drop(columns="run_no"), "has no column .'run_no'."),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(table, message):
    with pytest.raises(ValueError, match=rf"results\.csv.*{message}"):
        published_runs(table.to_csv().encode(), "results.csv")


def test_an_unfinished_last_row_is_a_failed_run():
    table = table_of([1, 2]).astype(object)
    table.iloc[1, 1:] = np.nan
    run = published_runs(table.to_csv().encode(), "results.csv")[1]
    assert run.failed
    assert (run.draw, run.average_sizes, run.others) == ({}, frozenset(), {})
