"""Models of Lurz et al. 2021 (ICLR): one core for all neurons, one readout for each scan.

All take raw grey values [n, 1, H, W] and return one response above 0 per neuron: ELU(readout) + 1.
Source: the published code and reference section 3.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from v1lib.core_weights import load_core
from v1lib.cores import ConvolutionalCore, CoreSettings
from v1lib.feature_weights import FeatureWeights, Matching
from v1lib.gaussian_readout import (
    FreePositions,
    GaussianReadout,
    RetinotopicPositions,
    Retinotopy,
)
from v1lib.readouts import DenseReadout, MaskReadout
from v1lib.recording import RecordingInfo, ScanInfo
from v1lib.vgg_core import VggCore

PENALTIES = ("smoothness", "readout")
MASK_STD = 4.1232e-5  # of masks at the start
WEIGHT_STDS = {"gaussian": 1e-3, "factorised": MASK_STD}  # of feature weights at the start
SCALE_STDS = {"gaussian": 1e-3, "factorised": 0.0}  # of what scales shared ones


class Network(nn.Module):
    """A core and one readout for each scan.

    Attributes:
        core: images -> feature maps.
        readouts: by name of the scan, in the order of the neurons of the data set.
        frozen: the core takes no part in learning. As in the original its batch norms still
            normalise by the batch in training, and their running statistics follow it.
        strengths: of the penalties, as buffers, so that networks which differ in nothing else can
            be stacked: smoothness (of the core) and readout.
    """

    def __init__(
        self, core: nn.Module, readouts: dict[str, nn.Module], strengths: dict, *, frozen: bool
    ) -> None:
        super().__init__()
        self.core = core.requires_grad_(False) if frozen else core
        self.readouts = nn.ModuleDict(readouts)
        self.frozen = frozen
        self.strengths = nn.Module()
        for name in PENALTIES:
            self.strengths.register_buffer(name, torch.tensor(strengths[name]), persistent=False)

    def forward(
        self, images: Tensor, scan: str | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """Images [n, 1, H, W] -> responses [n, n_neurons].

        Args:
            images: raw grey values.
            scan: whose neurons to predict; all scans' in their order without.
            noise: for the Gaussian readout of that scan, see ``GaussianReadout.forward``.

        Raises:
            KeyError: there is no such scan.
            ValueError: noise without the scan it is for.
        """
        if noise is not None and scan is None:
            raise ValueError("noise is given for one scan; name it")
        maps = self.features(images)
        names = list(self.readouts) if scan is None else [scan]
        more = () if noise is None else (noise,)
        outputs = [self.readouts[name](maps, *more) for name in names]
        return nn.functional.elu(torch.cat(outputs, 1) if len(outputs) > 1 else outputs[0]) + 1

    @staticmethod
    def is_core(name: str) -> bool:
        """Whether a weight of that name belongs to the core."""
        return name.startswith("core.")

    def read_core(self, path: Path) -> None:
        """Take the core from a file in the published layout, see ``v1lib.core_weights``."""
        load_core(self.core, path)

    def features(self, images: Tensor) -> Tensor:
        """Feature maps [n, C, h, w]; without gradients if the core is frozen."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.core(images)

    def penalty(self, scan: str | None = None) -> Tensor:
        """The weighted sum of the penalties that a batch of a scan adds to its loss.

        Those of the core and of the scan's readout; of all readouts without ``scan``. The core's
        counts once per call, so that in a cycle over scans it counts once for each.
        """
        return sum(self.penalties(scan).values())

    def penalties(self, scan: str | None = None) -> dict[str, Tensor]:
        """Every penalty times its strength; arguments as for ``penalty``."""
        names = list(self.readouts) if scan is None else [scan]
        values = {"readout": sum(self.readouts[name].sparsity() for name in names)}
        if not self.frozen:
            values["smoothness"] = self.core.smoothness()
        return {name: getattr(self.strengths, name) * value for name, value in values.items()}

    @torch.no_grad()
    def start_biases(self, responses: Tensor, scan: str) -> None:
        """Start the output biases of a scan at the means of responses [n, n_neurons].

        The original takes those of its first training batch, though ELU(bias) + 1 is another
        number (reference section 3.7).
        """
        self.readouts[scan].bias.copy_(responses.mean(0))


def convolutional(
    info: RecordingInfo,
    *,
    core: dict,
    readout: dict,
    penalties: dict,
    frozen: bool = False,
) -> nn.Module:
    """The data-driven model: a core of convolutions, trained, transferred or random.

    Args:
        info: the neurons to predict, scan by scan.
        core: arguments of ``v1lib.cores.CoreSettings``.
        readout: ``kind`` (a name of ``READOUTS``) and the arguments of that kind.
        penalties: strengths: smoothness, readout.
        frozen: do not train the core.

    Raises:
        ValueError: settings do not fit.
    """
    if "elu_shift" in core:
        core = core | {"elu_shift": tuple(core["elu_shift"])}
    convolutions = ConvolutionalCore(info.stimulus_shape[0], CoreSettings(**core))
    return _network(info, convolutions, readout, penalties, frozen=frozen)


def vgg16(
    info: RecordingInfo,
    *,
    layer: str,
    momentum: float,
    readout: dict,
    penalties: dict,
    weights: str | None = None,
    frozen: bool = True,
) -> nn.Module:
    """The task-driven model: a layer of VGG-16, whose convolutions are never trained.

    Args:
        info: the neurons to predict, scan by scan; grey values are normalised by the mean and the
            standard deviation given there.
        layer, momentum: see ``v1lib.vgg_core.VggCore``.
        readout, penalties: as for ``convolutional``.
        weights: file of torchvision's VGG-16; random weights without.
        frozen: do not train the batch norm behind it either, as in the paper.

    Raises:
        ValueError: settings do not fit, or scans differ in the statistics of their images.
        FileNotFoundError: there is no such file.
    """
    statistics = {(scan.image_mean, scan.image_sd) for scan in _scans(info)}
    if len(statistics) > 1:
        raise ValueError(f"scans differ in the mean and sd of their images: {sorted(statistics)}")
    image_mean, image_sd = statistics.pop()
    core = VggCore(
        layer=layer,
        weights=None if weights is None else Path(weights),
        momentum=momentum,
        image_mean=image_mean,
        image_sd=image_sd,
    )
    return _network(info, core, readout, penalties, frozen=frozen)


def gaussian_readout(
    scan: ScanInfo,
    shape: tuple[int, int, int],
    matching: Matching | None,
    *,
    covariance: str,
    init_sigma: float,
    init_range: float | None = None,
    retinotopy: dict | None = None,
) -> nn.Module:
    """A Gaussian readout of feature maps of that shape (channels, height, width).

    Args:
        scan: its neurons.
        shape: of the feature maps.
        matching: feature weights shared with other scans.
        covariance, init_sigma: see ``GaussianReadout``.
        init_range: of free positions; not with ``retinotopy``.
        retinotopy: arguments of ``Retinotopy``, for positions that follow from the cortex.

    Raises:
        ValueError: neither or both of ``init_range`` and ``retinotopy``, or retinotopy without
            positions of the neurons.
    """
    if (init_range is None) == (retinotopy is None):
        raise ValueError("a Gaussian readout needs either init_range or retinotopy")
    if retinotopy is None:
        positions: nn.Module = FreePositions(scan.n_neurons, init_range=init_range)
    else:
        if scan.neuron_position is None:
            raise ValueError(
                f"{scan.name}: retinotopy needs the neurons' positions in the cortex, which this "
                "data set does not have; give the readout init_range instead"
            )
        where = torch.from_numpy(np.asarray(scan.neuron_position, dtype=np.float64))
        positions = RetinotopicPositions(where, Retinotopy(**retinotopy))
    features = _feature_weights(scan, shape[0], matching, "gaussian")
    bias = torch.as_tensor(scan.mean_response)
    return GaussianReadout(positions, features, bias, covariance=covariance, init_sigma=init_sigma)


def factorised_readout(
    scan: ScanInfo,
    shape: tuple[int, int, int],
    matching: Matching | None,
    *,
    normalised: bool = False,
    separate: bool = False,
) -> nn.Module:
    """A factorised readout; arguments as for ``gaussian_readout`` and ``MaskReadout``."""
    return MaskReadout(
        shape[1] * shape[2],
        _feature_weights(scan, shape[0], matching, "factorised"),
        torch.as_tensor(scan.mean_response),
        std=MASK_STD,
        normalised=normalised,
        separate=separate,
    )


def fully_connected_readout(
    scan: ScanInfo, shape: tuple[int, int, int], matching: Matching | None
) -> nn.Module:
    """One weight per neuron, channel and place: what the paper counts parameters against.

    Raises:
        ValueError: feature weights are to be shared.
    """
    if matching is not None:
        raise ValueError("share_features: a fully connected readout has no feature weights")
    readout = DenseReadout(shape, scan.n_neurons)
    with torch.no_grad():
        readout.bias.copy_(torch.as_tensor(scan.mean_response))
    return readout


READOUTS: Mapping[str, Callable[..., nn.Module]] = {
    "gaussian": gaussian_readout,
    "factorised": factorised_readout,
    "fully_connected": fully_connected_readout,
}


def _network(
    info: RecordingInfo, core: nn.Module, readout: dict, penalties: dict, *, frozen: bool
) -> Network:
    if sorted(penalties) != sorted(PENALTIES):
        raise ValueError(f"penalties are {penalties}, expected {', '.join(PENALTIES)}")
    settings = dict(readout)
    kind, is_shared = settings.pop("kind", None), settings.pop("share_features", False)
    if kind not in READOUTS:
        raise ValueError(f"kind of readout is {kind!r}, allowed: {', '.join(READOUTS)}")
    scans = _scans(info)
    shape = (core.n_features, *core.map_size(*info.stimulus_shape[1:]))
    matching = None
    if is_shared:
        matching = _matching(scans, core.n_features, kind)
    readouts = {scan.name: READOUTS[kind](scan, shape, matching, **settings) for scan in scans}
    return Network(core, readouts, penalties, frozen=frozen)


def _scans(info: RecordingInfo) -> tuple[ScanInfo, ...]:
    if not info.scans:
        raise ValueError("models of Lurz et al. 2021 need a data set of scans, this one has none")
    return info.scans


def _matching(scans: tuple[ScanInfo, ...], n_features: int, kind: str) -> Matching:
    if kind not in WEIGHT_STDS:
        raise ValueError(f"share_features: a {kind} readout has no feature weights")
    for scan in scans:
        if scan.match_id is None or (scan.match_id < 0).any():
            raise ValueError(
                f"share_features: scan {scan.name} has neurons without a match; select matched ones"
            )
        if set(scan.match_id.tolist()) != set(scans[0].match_id.tolist()):
            raise ValueError(
                f"share_features: scans {scans[0].name} and {scan.name} hold different neurons; "
                "select those that all scans have"
            )
    ids = np.unique(scans[0].match_id)
    return Matching(ids, FeatureWeights(len(ids), n_features, std=WEIGHT_STDS[kind]), scans[0].name)


def _feature_weights(
    scan: ScanInfo, n_features: int, matching: Matching | None, kind: str
) -> nn.Module:
    if matching is None:
        return FeatureWeights(scan.n_neurons, n_features, std=WEIGHT_STDS[kind])
    return matching.weights_of(scan.name, scan.match_id, scale_std=SCALE_STDS[kind])
