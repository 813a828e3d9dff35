"""Small labelled images and classifiers trained on them, for tests."""

from copy import deepcopy

import numpy as np

from scan_trainings import options
from train_responses import main as train_responses
from v1lib.labelled_images import new_labelled

SIZE_PX = 32
CLASSES = ("red", "green", "blue")
CORRUPTIONS = ("fog-1", "fog-3", "gaussian_noise-1", "gaussian_noise-3")
PARAMS = {
    "blocks": [3, 1, 1, 1],
    "width": 4,
    "center_surround": None,
    "local_fields": None,
    "normalization": None,
    "magnification": None,
}
COMPONENTS = {
    "center_surround": {
        **{"blocks": [0, 1], "share": 0.5, "kernel": 5, "form": "released", "norm": "place"},
        "kaiming": True,
    },
    "magnification": {
        **{"radius_edges": [0, 2, 4, 6, 8, 12], "n_angles": 12},
        **{"antialias": False, "pad_radius": False},
    },
}
TRAINING = {
    "split": "recording",
    "optimiser": "momentum",
    "optimiser_settings": {"momentum": 0.9, "weight_decay": 1e-5},
    "learning_rate": 0.05,
    "batch_size": 16,
    "max_epochs": 6,
    "loss": "cross_entropy",
    "batches": "passes",
    "evaluated": ["validation"],
    "objective": "accuracy",
    "augmentation": {"crop": None, "flip": 0.5},
}


def model_with(training=(), **components):
    """The entry of a small network with components, and other settings of its training."""
    entry = {"build": "pogoncheff2023.resnet", "params": PARAMS | components}
    return deepcopy(entry | {"training": TRAINING | dict(training)})


def pictures(n_images, seed):
    """Noise with one channel brighter than the others, which tells the class."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (n_images, SIZE_PX, SIZE_PX, 3)).astype(np.uint8)
    labels = np.arange(n_images) % 3
    images[np.arange(n_images), ..., labels] += 80
    return images, labels


def write_images(folder, parts, *, dataset="toy", classes=CLASSES, **about):
    """Write images and labels by the name of their part as a data set."""
    about = {"source_kind": "simulated"} | about
    with new_labelled(folder, dataset=dataset, classes=classes, **about) as writer:
        for part, (images, labels) in parts.items():
            with writer.part(part, images.shape[1:3]) as own:
                for image, label in zip(images, labels, strict=True):
                    own.add(image, int(label))
    return folder


def write_clean(folder, **about):
    """60 training and 24 validation images."""
    return write_images(folder, {"train": pictures(60, 0), "validation": pictures(24, 1)}, **about)


def write_corrupted(folder, **about):
    """The validation images in two severities of two corruptions; in severity 3 nothing is left."""
    images, labels = pictures(24, 1)
    grey = np.full_like(images, 128)
    parts = {name: (grey if name.endswith("3") else images, labels) for name in CORRUPTIONS}
    return write_images(folder, parts, **{"dataset": "toy_corrupted", "generated": True} | about)


def train(images, folder, model, seeds=(0, 1), name="model"):
    """Train a block of seeds; its checkpoint."""
    train_responses(**options(images, folder, model, seeds=seeds) | {"name": name})
    return folder / "checkpoint.pt"
