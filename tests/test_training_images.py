"""The trainer on labelled images: views, milestones, accuracy, adversarial noise, resuming."""

import json
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from configured_models import pogoncheff_networks
from made_up_classifiers import COMPONENTS
from scan_trainings import assert_same, exact, options
from train_responses import main as train_responses
from v1lib.adversary import Adversary
from v1lib.data_sets import open_data_set
from v1lib.early_stopping import Schedule
from v1lib.labelled_images import new_labelled
from v1lib.losses import cross_entropy
from v1lib.mixed_precision import LossScale
from v1lib.models import ClassifierInfo, build_model, load_models
from v1lib.optimisers import MomentumSGD
from v1lib.runs import initial_model, plan_runs
from v1lib.stacking import Stack
from v1lib.training_state import ResumeFile

SIZE_PX = 32
MODEL = {
    "build": "pogoncheff2023.resnet",
    "params": {
        "blocks": [3, 1, 1, 1],
        "width": 4,
        "center_surround": None,
        "local_fields": None,
        "normalization": None,
        "magnification": None,
    },
    "training": {
        "split": "recording",
        "optimiser": "momentum",
        "optimiser_settings": {"momentum": 0.9, "weight_decay": 1e-5},
        "learning_rate": 0.05,
        "batch_size": 16,
        "max_epochs": 4,
        "loss": "cross_entropy",
        "batches": "passes",
        "evaluated": ["validation"],
        "objective": "accuracy",
        "milestones": [2],
        "augmentation": {"crop": {"scale": [0.5, 1.0], "aspect": [0.75, 1.33]}, "flip": 0.5},
    },
}
ADVERSARY = {"epsilon": 0.0157, "step_size": 0.0157, "replays": 2}
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_gpu])]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Noise with one channel brighter than the others, which tells the class."""
    folder = tmp_path_factory.mktemp("images") / "set"
    rng = np.random.default_rng(0)
    with new_labelled(
        folder, dataset="toy", source_kind="simulated", classes=["red", "green", "blue"]
    ) as writer:
        for part, n_images in (("train", 60), ("validation", 24)):
            with writer.part(part, (SIZE_PX, SIZE_PX)) as own:
                for number in range(n_images):
                    image = rng.integers(0, 120, (SIZE_PX, SIZE_PX, 3)).astype(np.uint8)
                    image[..., number % 3] += 80
                    own.add(image, number % 3)
    return folder


def train(images, folder, model=MODEL, **more):
    train_responses(**options(images, folder, model, **more))
    members = torch.load(folder / "checkpoint.pt", weights_only=True)["members"]
    return members, pd.read_csv(folder / "history.csv")


def changed(**training):
    model = deepcopy(MODEL)
    model["training"] |= training
    return model


def test_classes_are_learned_and_the_best_epoch_is_kept(images, tmp_path):
    _, history = train(images, tmp_path, changed(max_epochs=16, milestones=[12]))
    accuracy = history["validation_accuracy"]
    assert accuracy.max() > 0.9
    (record,) = json.loads((tmp_path / "run.json").read_text())
    latest_best = history["step"][accuracy[accuracy == accuracy.max()].index[-1]]
    assert record["best_step"] == latest_best
    (network,) = load_models(tmp_path / "checkpoint.pt")
    validation = open_data_set(images).together["images"][0].recorded.parts["validation"]
    shown = validation.images.transpose(0, 3, 1, 2) / np.float32(127.5) - 1
    found = (network.respond(shown).argmax(1) == validation.labels).mean()
    assert found == pytest.approx(record["best_validation_accuracy"])


def test_the_learning_rate_falls_after_its_milestones(images, tmp_path):
    _, history = train(images, tmp_path, changed(max_epochs=5, milestones=[2, 4]))
    assert history["learning_rate"].tolist() == pytest.approx([0.05, 0.05, 0.05, 5e-3, 5e-3, 5e-4])


def test_the_later_of_equal_accuracies_is_kept():
    for later, best in ((True, 2), (False, 1)):
        schedule = Schedule(0.1, later_of_equal=later)
        verdicts = [schedule.judge(step, value) for step, value in enumerate((-0.1, -0.3, -0.3))]
        assert schedule.best_step == best
        assert verdicts[2] == ("better" if later else "worse")


def test_images_read_from_the_file_give_the_same_network(images, tmp_path):
    resident, _ = train(images, tmp_path / "resident")
    streamed, _ = train(images, tmp_path / "streamed", resident_gb=1e-9)
    assert_same(resident, streamed, **exact())


def interrupted(images, folder, model, monkeypatch, **compute):
    """Let a training stop after its third save; what was saved then."""
    saves = []
    save = ResumeFile.save

    def save_then_stop(self, state):
        save(self, state)
        saves.append(state)
        if len(saves) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(ResumeFile, "save", save_then_stop)
    with pytest.raises(KeyboardInterrupt):
        train(images, folder, model, seconds_between_saves=0, **compute)
    monkeypatch.undo()
    return saves[-1]


@pytest.mark.parametrize("adversary", [None, ADVERSARY])
def test_an_interrupted_training_ends_where_an_unbroken_one_does(
    images, tmp_path, monkeypatch, adversary
):
    model = changed(adversary=adversary)
    unbroken, history = train(images, tmp_path / "unbroken", model)
    interrupted(images, tmp_path / "broken", model, monkeypatch)
    broken, broken_history = train(images, tmp_path / "broken", model)
    assert_same(unbroken, broken, **exact())
    pd.testing.assert_frame_equal(history, broken_history)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["composite_a", "local_rf", "div_norm"])
def test_components_in_mixed_precision_end_where_an_unbroken_training_does(
    images, tmp_path, monkeypatch, caplog, name, device
):
    """Half precision is used on a GPU alone; elsewhere the setting changes nothing."""
    model = changed(max_epochs=3, learning_rate=0.01, adversary=ADVERSARY, mixed_precision=True)
    model["params"] = pogoncheff_networks()[name] | {"blocks": [3, 1, 1, 1], "width": 4}
    unbroken, history = train(images, tmp_path / "unbroken", model, device=device)
    assert np.isfinite(history["validation_loss"]).all() and len(history) == 4
    last = interrupted(images, tmp_path / "broken", model, monkeypatch, device=device)
    (run,), state = last["runs"], last["stack"]
    assert run["status"] == "running" and state["n_done"] == 8
    assert (state["loss_scale"]["scale"] == 1.0) == (device == "cpu")
    assert state["adversary"]["noise"].any()
    data = open_data_set(images)
    for part, start in initial_model(data, *plan_runs(data, model, [0])).named_parameters():
        learned = state["stack"]["weights"][part]
        assert learned.device.type == device and not torch.equal(learned.cpu(), start), part
    with caplog.at_level("INFO"):
        broken, broken_history = train(images, tmp_path / "broken", model, device=device)
    assert "resuming from" in caplog.text
    assert_same(unbroken, broken, **exact())
    pd.testing.assert_frame_equal(history, broken_history)


@pytest.mark.parametrize("components", [{}, COMPONENTS])
def test_networks_that_cannot_be_stacked_are_trained_one_after_the_other(
    images, tmp_path, caplog, components
):
    model = changed(max_epochs=2)
    model["params"] |= components
    alone, history = train(images, tmp_path / "alone", model, seeds=[0, 1])
    with caplog.at_level("INFO"):
        stacked, stacked_history = train(
            images, tmp_path / "stacked", model, seeds=[0, 1], stacked=True
        )
    assert "2 networks cannot be stacked" in caplog.text
    assert_same(alone, stacked, **exact())
    pd.testing.assert_frame_equal(history, stacked_history)
    records = json.loads((tmp_path / "stacked" / "run.json").read_text())
    assert [record["networks_in_stack"] for record in records] == [1, 1]


def test_a_stack_refuses_networks_that_cannot_be_stacked():
    info = ClassifierInfo(3, (3, SIZE_PX, SIZE_PX))
    networks = [build_model(MODEL["build"], info, MODEL["params"]) for _ in range(2)]
    assert len(Stack(networks[:1], 0, torch.device("cpu"))) == 1
    with pytest.raises(ValueError, match="networks of ResNet cannot be stacked"):
        Stack(networks, 0, torch.device("cpu"))


def test_seeds_differ_and_views_vary(images, tmp_path):
    members, _ = train(images, tmp_path / "two", seeds=[0, 1])
    weights = [member["state_dict"]["fc.weight"] for member in members]
    assert not torch.equal(*weights)
    plain = changed(augmentation={"crop": None, "flip": 0.0})
    members, _ = train(images, tmp_path / "plain", plain)
    assert not torch.equal(weights[0], members[0]["state_dict"]["fc.weight"])


def test_momentum_is_that_of_the_library():
    reference = nn.Parameter(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    ours = reference.detach().clone().requires_grad_()
    theirs = torch.optim.SGD([reference], lr=0.1, momentum=0.9, weight_decay=1e-2)
    optimiser = MomentumSGD([ours], None, momentum=0.9, weight_decay=1e-2)
    for step in range(6):
        reference.grad = torch.full((4, 3), float(np.sin(step)))
        ours.grad = reference.grad.clone()
        theirs.step()
        optimiser.step(0.1)
    torch.testing.assert_close(ours, reference)


def test_cross_entropy_is_that_of_the_library():
    logits, labels = torch.randn(2, 5, 7), torch.randint(7, (2, 5))
    expected = torch.stack(
        [nn.functional.cross_entropy(*pair) for pair in zip(logits, labels, strict=True)]
    )
    torch.testing.assert_close(cross_entropy(logits, labels), expected)


def test_noise_goes_up_the_loss_and_stays_within_its_bound():
    adversary = Adversary(epsilon=0.1, step_size=0.06, replays=2)
    images = torch.zeros(1, 3, 1, 2, 2)
    weight = torch.tensor([1.0, -1.0]).expand(2, 2)
    for size, noise in ((3, 0.06), (2, 0.1), (3, 0.1)):  # clipped; the third image was left out
        adversary.perturbed(images[:, :size]).mul(weight).sum().backward()
        adversary.follow()
        torch.testing.assert_close(adversary.noise[0, 0, 0], noise * weight)
    torch.testing.assert_close(adversary.noise[0, 2, 0], 0.1 * weight)
    shown = adversary.perturbed(images + 0.9)
    assert float(shown.detach().max()) == 1.0  # 0.9 + 2 * 0.1 is beyond the range


def test_the_loss_scale_gives_way_to_overflow_and_grows_again():
    scale, weight = LossScale(enabled=True), nn.Parameter(torch.zeros(2))
    start = scale.scale
    weight.grad = torch.tensor([1.0, torch.inf])
    assert not scale.unscale([weight]) and scale.scale == start / 2
    weight.grad = torch.full((2,), start)
    assert scale.unscale([weight]) and weight.grad.tolist() == [2.0, 2.0]
    scale.n_good = LossScale.INTERVAL - 1
    assert scale.unscale([weight]) and scale.scale == start
    assert LossScale(enabled=False).unscale([weight])
