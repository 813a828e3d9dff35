"""Regression models of Kindel, Christensen & Zylberberg 2019: fixed features, linear readout.

All take raw grey values 0..255, [n, 1, H, W]. They are fitted by ``v1lib.regression``.
"""

from pathlib import Path

from torch import nn

from v1lib.feature_regression import FeatureRegression, GaborBank, Pixels
from v1lib.recording import RecordingInfo
from v1lib.vgg import Frame, VggFeatures


def pixel_regression(info: RecordingInfo) -> nn.Module:
    """Regression on grey values; a baseline of this project, not in the original."""
    return FeatureRegression(Pixels(info.background), info)


def gabor_regression(
    info: RecordingInfo,
    *,
    n_orientations: int,
    wavelengths_px: list[float],
    sigma_per_wavelength: float,
    centres_px: list[float],
    variant: str,
) -> nn.Module:
    """Regression on the outputs of a bank of Gabor filters (notebook Gabor_Regression).

    The bank of the original (1089 features) was not published; this one is a choice of the
    configuration. Arguments as for ``v1lib.feature_regression.GaborBank``.

    Raises:
        ValueError: the variant is unknown, or the images are not grey.
    """
    _require_grey(info)
    core = GaborBank(
        info.stimulus_shape[1:],
        background=info.background,
        n_orientations=n_orientations,
        wavelengths_px=wavelengths_px,
        sigma_per_wavelength=sigma_per_wavelength,
        centres_px=centres_px,
        variant=variant,
    )
    return FeatureRegression(core, info)


def vgg_regression(info: RecordingInfo, *, weights: str, layer: str, frame: dict) -> nn.Module:
    """Regression on one layer of VGG-16 trained on ImageNet (Methods; notebook vgg_activations).

    Args:
        info: the neurons to predict.
        weights: file of torchvision's VGG-16.
        layer: "conv1_1" to "conv5_3"; the paper uses conv2_1 to conv3_3.
        frame: fields of ``v1lib.vgg.Frame``, how the original stimulus is put together again.

    Raises:
        ValueError: the file, the layer or the frame does not fit.
        FileNotFoundError: there is no such file.
    """
    _require_grey(info)
    core = VggFeatures(
        info.stimulus_shape[1:],
        background=info.background,
        weights=Path(weights),
        layer=layer,
        frame=Frame(**frame),
    )
    return FeatureRegression(core, info)


def _require_grey(info: RecordingInfo) -> None:
    if info.stimulus_shape[0] != 1:
        raise ValueError(f"images have {info.stimulus_shape[0]} channels, expected 1 (grey)")
