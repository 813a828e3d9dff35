"""Machine code on disk: found again where it fits, and there alone."""

import ast
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

numba = pytest.importorskip("numba")

from v1lib import bilinear_kernels, compiling, depthwise_kernels  # noqa: E402
from v1lib.bilinear import read_features  # noqa: E402
from v1lib.depthwise import DepthwiseConvolution  # noqa: E402

LIBRARY = Path(compiling.__file__).parent
KERNELS = """
from pathlib import Path

from v1lib.compiling import compiler

PART = Path(__file__).with_name("part.txt")
SUMMAND = int(PART.read_text())
kernel = compiler(__file__, PART)


def scaling(factor):
    def scale(value):
        return factor * value + SUMMAND

    return kernel(scale)
"""


@pytest.fixture
def kernels(tmp_path):
    """A module of kernels as another process would import it: a function without arguments."""
    path = tmp_path / "kernels.py"
    path.write_text(KERNELS)
    (tmp_path / "part.txt").write_text("0")

    def imported():
        module = module_from_spec(spec := spec_from_file_location("kernels", path))
        spec.loader.exec_module(module)
        return module

    return imported


def was_found(kernel) -> bool:
    """Whether the code of a kernel that was loaded once came from the disk."""
    hits, misses = (sum(c.values()) for c in (kernel.stats.cache_hits, kernel.stats.cache_misses))
    assert hits + misses == 1
    return hits == 1


def names(folder) -> set[str]:
    """Of the kernels in a folder that have machine code."""
    return {path.name.split("-")[0] for path in folder.rglob("*.nbc")}


def test_kernels_are_found_again(kernels, tmp_path):
    for known in (False, True):
        kernel = kernels().scaling(3)
        assert kernel(5) == 15
        assert was_found(kernel) == known
    assert len(names(tmp_path)) == 1


def test_kernels_of_other_constants_have_files_of_their_own(kernels, tmp_path):
    for number, factor in enumerate((3, 4), 1):
        kernel = kernels().scaling(factor)
        assert kernel(5) == 5 * factor
        assert not was_found(kernel)
        assert len(names(tmp_path)) == number


@pytest.mark.parametrize(
    ("edited", "old", "new", "result"),
    [("kernels.py", "factor * value", "factor - value", -2), ("part.txt", "0", "7", 22)],
)
def test_code_of_edited_sources_is_not_used(kernels, tmp_path, edited, old, new, result):
    assert kernels().scaling(3)(5) == 15
    imported, file = kernels(), tmp_path / edited
    file.write_text(file.read_text().replace(old, new))
    assert imported.scaling(4)(5) == 20  # from what it was when it was imported
    for factor, expected in ((3, result), (4, result + (1 if edited == "kernels.py" else 5))):
        kernel = kernels().scaling(factor)
        assert kernel(5) == expected
        assert not was_found(kernel)
    assert len(names(tmp_path)) == 4


def test_a_kernel_made_of_a_kernel_is_refused(kernels):
    part = kernels().scaling(3)
    with pytest.raises(TypeError, match=r"has constants .* only whole numbers are allowed"):
        compiling.compiler(__file__)(lambda value: part(value))


def test_kernels_need_no_place_on_disk(monkeypatch):
    def nowhere(_):
        raise RuntimeError("no locator available")

    monkeypatch.setattr(numba.core.dispatcher.Dispatcher, "enable_caching", nowhere)
    assert compiling.compiler(__file__)(lambda x: x + 1)(1) == 2


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


KEPT = [path for path in sorted(LIBRARY.glob("*_kernels.py")) if " compiler(" in path.read_text()]


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_all_sources_of_kernels_are_named(path):
    tree = ast.parse(path.read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("v1lib"):
            whole = node.module == "v1lib"
            imported |= {a.name for a in node.names} if whole else {node.module.split(".")[1]}
    aliases = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    named = {
        aliases[node.value.id]
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "__file__"
    }
    assert named == imported - {"compiling"}


def test_kernels_that_are_kept():
    assert {path.stem for path in KEPT} == {
        *("bilinear_kernels", "depthwise_kernels", "map_kernels", "minimal_filtering_kernels")
    }
