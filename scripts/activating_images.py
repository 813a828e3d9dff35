"""Find images that activate units of the V1 stage of classifiers most."""

import logging

import numpy as np

from v1lib.activating_images import ImageAscent, activating_images, chosen_channels
from v1lib.data_sets import open_data_set
from v1lib.device import choose_device
from v1lib.files import write_npz
from v1lib.models import load_models
from v1lib.polar_transform import PolarTransform
from v1lib.steps import Gpu, Input, Inputs, Output, Threads

log = logging.getLogger(__name__)


def main(
    *,
    images: Input,
    checkpoints: Inputs,
    activating: Output,
    name: str,
    settings: dict,
    device: str,
    threads: Threads,
    gpu: Gpu,
) -> None:
    """From the classifiers of a model to images that activate some channels of their V1 stage most.

    The file holds for each network and channel: seed, channel, images [n, 3, height, width] from -1
    to 1, activation [n_steps + 1, n] on the way from noise to them, and the place of the unit.

    Args:
        images: the data set that the networks were trained on.
        checkpoints: of all blocks of seeds.
        activating: arrays to write.
        name: of the model.
        settings: ``seeds`` of the networks; ``n_channels``, drawn with ``seed``; ``place``, row and
            column of the unit in the map, and ``polar_place`` (radius and angle) for networks with
            cortical magnification; and the fields of ``v1lib.activating_images.ImageAscent``.
        device: auto, cuda or cpu.
        threads, gpu: promised to this job.

    Raises:
        ValueError: no network of those seeds was trained, or there is no such place or channel.
    """
    where = choose_device(device, gpu, threads)
    data = open_data_set(images)
    seeds = settings["seeds"]
    networks = [network for path in checkpoints for network in load_models(path, seeds=seeds)]
    if not networks:
        raise ValueError(f"no network of seeds {seeds} was trained for model {name}")
    fields = ("n_steps", "learning_rate", "total_variation", "start_std", "seed")
    ascent = ImageAscent(**{field: settings[field] for field in fields})
    found, rows = [], []
    for trained in networks:
        network = trained.module
        polar = isinstance(network.pool, PolarTransform)
        place = tuple(settings["polar_place" if polar else "place"])
        n_channels = network.layer1[-1].bn3.num_features
        channels = chosen_channels(n_channels, settings["n_channels"], settings["seed"])
        log.info("seed %d: channels %s at %s", trained.seed, channels, place)
        options = {"shape": data.stimulus_shape, "settings": ascent, "device": where}
        found.append(activating_images(network, channels, place, **options))
        rows += [(trained.seed, channel, *place) for channel in channels]
    seed, channel, row, column = np.array(rows, dtype=np.int64).T
    write_npz(
        activating,
        images=np.concatenate([one.images for one in found]),
        activation=np.concatenate([one.activation for one in found], axis=1),
        seed=seed,
        channel=channel,
        row=row,
        column=column,
        polar=polar,
        dataset=data.name,
        model=name,
        source_kind=data.source_kind,
    )
