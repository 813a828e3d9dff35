"""What pickles of others may hold, and what they must not do."""

import copyreg
import os
import pickle  # noqa: TID251 - to write what is then read with care
import struct
import subprocess

import numpy as np
import pytest

from v1lib.restricted_pickle import DamagedPickle, UnsafePickle, loads, read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

RECORDING = {
    "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "responses": np.array([[0.5, np.nan], [np.inf, -1.0]]),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">i4"),
    "image_types": np.array(["original", "conv1"]),
    "bytes_text": np.array([b"a", b"bcd"]),
    "shown": np.array([True, False]),
    "complex": np.array([1 + 2j], dtype=np.complex64),
    "empty": np.empty((0, 5), dtype=np.float32),
    "number": np.array(3.0),
    "objects": np.array(["conv1", None, (1, 2.5)], dtype=object),
    "objects_in_columns": np.asfortranarray(np.array([["a", "b", "c"], ["d", "e", "f"]], object)),
    "arrays": np.array([np.arange(2), np.arange(3.0)], dtype=object),
    "scalars": [np.float32(0.1), np.int64(7), np.bool_(True), np.str_("é"), np.complex128(1j)],
    "dtype": np.dtype("<f4"),
    "plain": [1, -(2**70), 1.5, True, None, "é\n", b"\xff\0", (), {1, 2}, frozenset({"a"}), 2j],
    "buffer": bytearray(b"\x80a"),
    "empty_bytes": b"",
    3: {("a", 1): "tuple as key"},
}


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert found.flags.writeable
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        found, expected = found.values(), expected.values()
    if isinstance(expected, np.ndarray) and expected.dtype == object:
        found, expected = found.ravel().tolist(), expected.ravel().tolist()
    if isinstance(expected, list | tuple | type({}.values())):
        for ours, theirs in zip(found, expected, strict=True):
            assert_same(ours, theirs)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("core", [b"numpy._core", b"numpy.core"])
@pytest.mark.parametrize("name", RECORDING)
def test_plain_values_and_arrays_come_back(name, core, protocol):
    data = pickle.dumps({name: RECORDING[name]}, protocol=protocol)
    if protocol < 4:  # from protocol 4 on, names carry their length
        data = data.replace(b"numpy._core", core)
    else:
        for module in (b"multiarray", b"numeric"):
            data = _renamed(data, b"numpy._core." + module, core + b"." + module)
    assert_same(loads(data, origin="test"), {name: RECORDING[name]})


def _renamed(data, old, new):
    """Protocols from 4 on write text with its length, and frames with theirs."""
    assert data[2:3] == pickle.FRAME or old not in data
    renamed = data.replace(bytes([len(old)]) + old, bytes([len(new)]) + new)
    (size,) = struct.unpack("<Q", renamed[3:11]) if data[2:3] == pickle.FRAME else (None,)
    if size is None:
        return renamed
    return renamed[:3] + struct.pack("<Q", size + len(renamed) - len(data)) + renamed[11:]


def test_what_was_shared_stays_shared():
    array = np.arange(3)
    found = loads(pickle.dumps([array, array, [array]]), origin="test")
    assert found[0] is found[1] is found[2][0]
    cycle = []
    cycle.append(cycle)
    found = loads(pickle.dumps(cycle), origin="test")
    assert found[0] is found


def test_many_references_to_one_list_take_no_time():
    nested = [0.0]
    for _ in range(200):
        nested = [nested, nested]
    found = loads(pickle.dumps(nested), origin="test")
    assert found[0] is found[1]


PYTHON_2 = (  # pickle.dumps({'r': numpy.array([1., nan]), 'n': u'\xe9', 't': ['a']}, 2)
    b"\x80\x02}q\x00(U\x01rq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n"
    b"q\x03K\x00\x85U\x01b\x87Rq\x04(K\x01K\x02\x85cnumpy\ndtype\nq\x05U\x02f8K\x00K\x01\x87R"
    b"q\x06(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10"
    + np.array([1.0, np.nan]).tobytes()
    + b"tbU\x01nX\x02\x00\x00\x00\xc3\xa9U\x01t]q\x07U\x01aau."
)


@pytest.mark.parametrize(("encoding", "kind"), [("latin1", str), ("bytes", bytes)])
def test_pickles_of_python_2(encoding, kind):
    found = loads(PYTHON_2, origin="test", encoding=encoding)
    assert [type(key) for key in found] == [kind] * 3
    responses, name, texts = found.values()
    np.testing.assert_array_equal(responses, [1.0, np.nan])
    assert name == "é"
    assert texts == [kind(b"a", "ascii") if kind is str else b"a"]


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def hostile(marker):
    """Pickled objects that would leave the file ``marker``, or reach for what could."""
    command = f"touch {marker}"
    system = Calls(os.system, command)
    inside = np.empty(2, dtype=object)
    inside[:] = ["harmless", system]
    deeper = np.empty(1, dtype=object)
    deeper[0] = {"a": [inside]}
    return {
        "posix.system": system,
        "subprocess": Calls(subprocess.check_call, ["touch", str(marker)]),
        "builtins.eval": Calls(eval, f"open({str(marker)!r}, 'w')"),
        "builtins.exec": Calls(exec, f"open({str(marker)!r}, 'w')"),
        "builtins.getattr": Calls(getattr, "", "format"),
        "builtins.open": Calls(open, str(marker), "w"),
        "builtins.__import__": Calls(__import__, "os"),
        "list": [1, [2, (3, system)]],
        "key": {("a", 1): {"b": system}},
        "object array": inside,
        "deep in object arrays": deeper,
        "copyreg": Calls(copyreg._reconstructor, set, object, None),
        "copyreg.add_extension": Calls(copyreg.add_extension, "os", "system", 1),
        "numpy.load": Calls(np.load, str(marker), None, True),
        "numpy.fromfile": Calls(np.fromfile, str(marker)),
        "numpy.memmap": Calls(np.memmap, str(marker), "uint8", "w+", 0, (1,)),
        "class": Calls,
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", hostile("marker"))
def test_hostile_pickles_are_refused_and_run_nothing(tmp_path, case, protocol):
    marker = tmp_path / "marker"
    file = tmp_path / "hostile.pkl"
    file.write_bytes(pickle.dumps(hostile(marker)[case], protocol=protocol))
    with pytest.raises(UnsafePickle, match=r"hostile\.pkl: asks for [\w.]+; only plain") as error:
        read_pickle(file)
    assert not marker.exists()
    assert "numpy._core" not in str(error.value)


def test_the_hostile_pickles_of_this_test_work_elsewhere(tmp_path):
    """Otherwise the test above would pass on pickles that do nothing."""
    for case in ("posix.system", "builtins.eval", "deep in object arrays", "numpy.memmap"):
        marker = tmp_path / case.replace(" ", "_")
        pickle.loads(pickle.dumps(hostile(marker)[case]))
        assert marker.exists()


def test_the_name_refused_is_told():
    with pytest.raises(UnsafePickle, match=r"here: asks for (posix|nt)\.system"):
        loads(pickle.dumps(Calls(os.system, "true")), origin="here")


def array_with(shape=b"K\x02\x85", dtype=b"U\x02f8K\x00K\x01\x87R", state=None, data=None):
    """An array whose description does not fit its data, as no honest program writes it."""
    state = b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" if state is None else state
    data = b"U\x10" + bytes(16) if data is None else data
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01" + shape + b"cnumpy\ndtype\n" + dtype + state + b"\x89" + data + b"tb."
    )


def test_an_array_described_by_hand_is_read():
    np.testing.assert_array_equal(loads(array_with(), origin="test"), [0.0, 0.0])


OBJECT = b"U\x02O8K\x00K\x01\x87R"
OBJECT_STATE = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
LIES = {
    "longer than its data": array_with(shape=b"K\x03\x85"),
    "negative length": array_with(shape=b"J\xff\xff\xff\xff\x85"),
    "more objects than listed": array_with(dtype=OBJECT, state=OBJECT_STATE, data=b"]K\x01a"),
    "objects from bytes": array_with(dtype=OBJECT, state=OBJECT_STATE),
    "void": array_with(dtype=b"U\x02V8K\x00K\x01\x87R", state=b""),
    "fields": array_with(state=b"(K\x03U\x01<NU\x01a\x85}U\x01aK\x01sK\x08K\x01K\x00tb"),
    "size of elements": array_with(state=b"(K\x03U\x01<NNNK\x01K\x01K\x00tb"),
    "byte order": array_with(state=b"(K\x03U\x01xNNNK\x08K\x01K\x00tb"),
    "no dtype": b"\x80\x02cnumpy.core.multiarray\nscalar\nK\x01U\x01a\x86R.",
    "object scalar": b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n"
    + OBJECT
    + OBJECT_STATE
    + b"]K\x01a\x86R.",
    "array made directly": b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R.",
    "memory": b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "state of a function": b"\x80\x02cnumpy\ndtype\n}U\x01aK\x01sb.",
    "attribute of a function": b"\x80\x02cnumpy\ndtype\nN}U\x09_functionK\x01s\x86b.",
    "function as a value": b"\x80\x02cnumpy\ndtype\n.",
    "function as a key": b"\x80\x02}cnumpy\ndtype\nK\x01s.",
    "function in a set": b"\x80\x02c__builtin__\nset\n]cnumpy\ndtype\na\x85R.",
    "array in a key": b"\x80\x02}cnumpy\ndtype\n" + b"U\x02f8K\x00K\x01\x87R\x85K\x01s.",
    "codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00utf-16\x86R.",
    "nested": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
}


@pytest.mark.parametrize("case", LIES)
def test_descriptions_that_lie_are_refused(case):
    with pytest.raises((UnsafePickle, DamagedPickle), match=r"^here"):
        loads(LIES[case], origin="here")


@pytest.mark.parametrize("length", [0, 1, 10, 100, len(PYTHON_2) - 1])
def test_truncated_pickles_name_the_file(tmp_path, length):
    file = tmp_path / "cut.pkl"
    file.write_bytes(PYTHON_2[:length])
    with pytest.raises(DamagedPickle, match=r"cut\.pkl is truncated"):
        read_pickle(file)


def test_other_files_are_no_pickles(tmp_path):
    file = tmp_path / "page.pkl"
    file.write_text("<html>not found</html>")
    with pytest.raises(DamagedPickle, match=r"page\.pkl"):
        read_pickle(file)


def test_altered_bytes_never_end_in_another_error():
    """Whatever a damaged file asks for, the error is one of the two that name it."""
    rng = np.random.default_rng(0)
    whole = pickle.dumps(RECORDING, protocol=4)
    refused = 0
    for _ in range(2000):
        data = bytearray(whole)
        for place in rng.integers(len(data), size=3):
            data[place] = rng.integers(256)
        try:
            loads(bytes(data), origin="here")
        except (UnsafePickle, DamagedPickle) as error:
            refused += 1
            assert str(error).startswith("here")
    assert refused > 500
