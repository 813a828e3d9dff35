"""Machine code on disk: found again where it fits, and there alone."""

from importlib.util import module_from_spec, spec_from_file_location
from types import SimpleNamespace

import pytest
import torch

from v1lib.bilinear import read_features
from v1lib.depthwise import DepthwiseConvolution

numba = pytest.importorskip("numba")
compiling = pytest.importorskip("v1lib.compiling")
bilinear_kernels = pytest.importorskip("v1lib.bilinear_kernels")
depthwise_kernels = pytest.importorskip("v1lib.depthwise_kernels")

KERNELS = """
import numba

from v1lib.compiling import kept_on_disk


def scaling(factor, *modules):
    def scale(value):
        return factor * value

    return kept_on_disk(numba.njit(scale), *modules)
"""


@pytest.fixture
def scaling(tmp_path):
    """A function that makes kernels, in a file of its own."""
    path = tmp_path / "kernels.py"
    path.write_text(KERNELS)
    module = module_from_spec(spec := spec_from_file_location("kernels", path))
    spec.loader.exec_module(module)
    return module.scaling


def was_found(kernel) -> bool:
    """Whether the code of a kernel that was loaded once came from the disk."""
    hits, misses = (sum(c.values()) for c in (kernel.stats.cache_hits, kernel.stats.cache_misses))
    assert hits + misses == 1
    return hits == 1


def test_kernels_are_found_again(scaling):
    for known in (False, True):
        kernel = scaling(3)
        assert kernel(5) == 15
        assert was_found(kernel) == known


def test_kernels_of_other_constants_have_files_of_their_own(scaling, tmp_path):
    for factor in (3, 4):
        kernel = scaling(factor)
        assert kernel(5) == 5 * factor
        assert not was_found(kernel)
    assert len(list(tmp_path.rglob("*.nbi"))) == 2
    assert len({path.name.split("-")[0] for path in tmp_path.rglob("*.nbc")}) == 2


def test_kernels_are_compiled_again_when_what_they_are_made_of_changes(scaling, tmp_path):
    source = tmp_path / "part.py"
    for text, known in (("a", False), ("a", True), ("b", False)):
        source.write_text(text)
        kernel = scaling(3, SimpleNamespace(__file__=source))
        assert kernel(5) == 15
        assert was_found(kernel) == known


def test_kernels_need_no_place_on_disk(monkeypatch):
    def nowhere(_):
        raise RuntimeError("no locator available")

    monkeypatch.setattr(numba.core.dispatcher.Dispatcher, "enable_caching", nowhere)
    assert compiling.kept_on_disk(numba.njit(lambda x: x + 1))(1) == 2


def test_kernels_of_convolutions_and_readouts_are_found_again():
    layer, maps = DepthwiseConvolution(4, 3), torch.randn(2, 4, 5, 6, requires_grad=True)
    for _ in range(2):
        for make in (
            *(depthwise_kernels.filter_kernel, depthwise_kernels.weight_kernel),
            *(bilinear_kernels.forward_kernel, bilinear_kernels.backward_kernel),
        ):
            make.cache_clear()
        positions, features = torch.zeros(2, 3, 2), torch.ones(3, 4)
        read_features(layer(maps), positions, features).sum().backward()
    assert was_found(depthwise_kernels.filter_kernel(3, 4, 6))
    assert was_found(depthwise_kernels.weight_kernel(3, 4))
    assert was_found(bilinear_kernels.forward_kernel(4))
    assert was_found(bilinear_kernels.backward_kernel(4, with_maps=True))
