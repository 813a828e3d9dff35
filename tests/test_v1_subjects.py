"""Subjects of the V1 experiment: stages of classifiers, model neurons, AlexNet."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from configured_models import pogoncheff_networks
from measure_v1_properties import main as measure
from score_v1_properties import main as score
from test_distribution_similarity import DISTRIBUTIONS
from v1lib.alexnet import AlexNet, alexnet
from v1lib.files import read_csv
from v1lib.models import ClassifierInfo, TrainedModel, build_model
from v1lib.screen import Screen
from v1lib.v1_runs import subject_runs
from v1lib.v1_subjects import of_alexnet, of_classifier, of_neurons

CPU = torch.device("cpu")
# A sixteenth of the field, around the stimuli: quick to draw.
PART = {"degrees": 2.0, "centre_deg": [0.5, 0.5]}


def classifier_checkpoint(path, seeds=(0, 3), side=32, model="resnet"):
    """A checkpoint of untrained networks in the form in which training writes it."""
    params = pogoncheff_networks()["resnet50"] | {"blocks": [1, 1, 1, 1], "width": 8}
    members = []
    for seed in seeds:
        torch.manual_seed(seed)
        info = ClassifierInfo(5, (3, side, side))
        network = build_model("pogoncheff2023.resnet", info, params)
        part = {"name": "images", "neuron_index": list(range(5)), "split": [1], "match_id": None}
        members.append(
            {
                "session": "images",
                "seed": seed,
                "build": "pogoncheff2023.resnet",
                "params": params,
                "draw": {},
                "parts": [part],
                "state_dict": network.state_dict(),
            }
        )
    content = {"dataset": "objects", "model": model, "source_kind": "simulated"}
    content |= {"background": 128.0}
    content |= {"stimulus_shape": [3, side, side], "classes": list("abcde"), "members": members}
    torch.save(content, path)
    return path


def test_classifiers_are_measured_by_their_v1_stage(tmp_path):
    checkpoints = [
        classifier_checkpoint(tmp_path / "checkpoint.pt"),
        classifier_checkpoint(tmp_path / "other.pt", seeds=(0,), model="other"),
    ]
    paths = {name: tmp_path / f"{name}.csv" for name in ("populations", "units", "properties")}
    measure(
        checkpoints=checkpoints,
        recording=[],
        textures=[],
        **paths,
        subject={"kind": "networks", "screen": PART},
        device="cpu",
        threads=1,
        gpu=0,
    )
    populations = read_csv(paths["populations"])
    assert populations["model"].tolist() == ["resnet", "resnet", "other"]
    assert populations["seed"].tolist() == [0, 3, 0]
    assert (populations["n_units"] == 32 * 8 * 8).all()
    assert (populations[["dataset", "source_kind"]] == ["objects", "simulated"]).all(axis=None)
    units = read_csv(paths["units"])
    distance = np.hypot(units["field_y_deg"] - 0.5, units["field_x_deg"] - 0.5)
    assert len(units) > 3 and (distance <= 0.15).all()
    properties = read_csv(paths["properties"])
    run = ["model", "seed"]
    assert set(properties[run].itertuples(index=False, name=None)) == {
        *(("resnet", 0), ("resnet", 3), ("other", 0))
    }
    kept = properties[[*run, "unit"]].drop_duplicates()
    assert len(kept.merge(units[[*run, "unit"]])) == len(kept)
    same = [properties[(properties[run] == [name, 0]).all(axis=1)] for name in ("resnet", "other")]
    np.testing.assert_array_equal(*(rows["value"] for rows in same))


def test_the_v1_stage_sees_grey_screens_as_training_normalises_images():
    class Network(nn.Module):
        def v1(self, images):
            assert images.shape[1] == 3
            return images

    screen = Screen(4)
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4)).astype(np.float32)
    found = of_classifier(Network(), screen, CPU).respond(images)
    expected = np.repeat((images / 255 - 0.5) / 0.5, 3, axis=0).reshape(2, 48)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def trained(weight, neurons, seed=0):
    module = nn.Sequential(nn.Flatten(), nn.Linear(*weight.shape[::-1], bias=False))
    module[1].weight.data = torch.as_tensor(weight, dtype=torch.float32)
    return TrainedModel(str(neurons[0]), seed, np.array(neurons), module)


def test_neurons_of_all_networks_of_a_run_see_the_middle_of_the_screen():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 24)), rng.standard_normal((3, 24))
    models = [trained(first, [4, 1]), trained(second, [0, 2, 3])]
    screens = rng.integers(0, 256, (5, 6, 6)).astype(np.float32)
    subject = of_neurons(models, (1, 4, 6), Screen(6), mean_sd=(100.0, 50.0), device=CPU)
    seen = ((screens[:, 1:5] - 100) / 50).reshape(5, 24)
    expected = np.concatenate([seen @ first.T, seen @ second.T], axis=1)
    np.testing.assert_allclose(subject.respond(screens), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="stimuli are 4 x 6 px, the screen 8"):
        of_neurons(models, (1, 4, 6), Screen(8), device=CPU)


def test_alexnet_reads_weights_and_gives_the_layer_of_brain_score(tmp_path):
    torch.manual_seed(0)
    complete = AlexNet("features.12")
    assert sum(p.numel() for p in complete.parameters()) == 2_469_696  # torchvision's features
    torch.save(complete.state_dict() | {"classifier.1.weight": torch.zeros(1)}, tmp_path / "w.pth")
    network = alexnet(tmp_path / "w.pth", "features.2")
    screens = np.random.default_rng(0).integers(0, 256, (2, 224, 224)).astype(np.float32)
    found = of_alexnet(network, Screen(224), CPU).respond(screens)
    assert found.shape == (2, 64 * 27 * 27)
    mean, sd = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    colours = (screens[:, None] / 255 - mean[:, None, None]) / sd[:, None, None]
    with torch.no_grad():
        maps = torch.relu(complete.features[0](torch.as_tensor(colours, dtype=torch.float32)))
        expected = nn.functional.max_pool2d(maps, 3, 2).flatten(1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="224 x 224 px, not 64"):
        of_alexnet(network, Screen(64), CPU)


def test_files_that_are_not_what_is_asked_for_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="alexnet-owt-7be5be79"):
        alexnet(tmp_path / "none.pth", "features.2")
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"features.0.weight has shape \(3,\)"):
        alexnet(tmp_path / "other.pth", "features.2")
    with pytest.raises(ValueError, match=r"allowed: features\.0 to features\.12"):
        AlexNet("features.13")
    with pytest.raises(ValueError, match="kind is 'animal'"):
        subject_runs([], [], {"kind": "animal"}, CPU)
    (tmp_path / "broken.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        list(subject_runs([tmp_path / "broken.pt"], [], {"kind": "networks", "screen": PART}, CPU))
    full = classifier_checkpoint(tmp_path / "full.pt", model="other")
    empty = classifier_checkpoint(tmp_path / "empty.pt", seeds=())
    with pytest.raises(ValueError, match="no network of model resnet was trained"):
        list(subject_runs([full, empty], [], {"kind": "networks", "screen": PART}, CPU))


def test_tables_of_several_models_are_scored_together(tmp_path):
    labels = {"dataset": "d", "seed": 0, "source_kind": "real"}
    population = {"n_units": 9, "n_with_field": 9, "n_near": 3, "n_responsive": 3, "slope": 1.0}
    population |= {"offset": 0.0, "n_textures": 0, "screen_px": 64, "screen_degrees": 8.0}
    rows = pd.DataFrame({"unit": [0, 1], "property": "max_dc", "value": [20.0, 60.0]})
    files = {"properties": [], "populations": []}
    for model in ("a", "b"):
        for name, table in (
            ("properties", rows if model == "a" else rows[:0]),
            ("populations", pd.DataFrame([population])),
        ):
            files[name].append(tmp_path / f"{model}_{name}.csv")
            table.assign(model=model, **labels).to_csv(files[name][-1], index=False)
    score(
        **files,
        distributions=DISTRIBUTIONS,
        measured=[],
        scores=tmp_path / "scores.csv",
        n_draws=50,
        seed=0,
    )
    scores = read_csv(tmp_path / "scores.csv").set_index(["model", "property"])["raw"]
    assert scores["a", "max_dc"] > 0.3
    assert np.isnan(scores["a", "bandwidth"]) and np.isnan(scores["b", "max_dc"])  # not measured
