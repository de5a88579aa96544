"""``fastnn.save`` and ``fastnn.load``: nested data, tied tensors, whole files, damage."""

from __future__ import annotations

import copy
import io
import json
import math
import os
import pickle
import stat
import subprocess
import sys
import warnings
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim

safetensors = pytest.importorskip("safetensors.numpy")


def _through(obj: Any, path: Path | None = None, **options: Any) -> Any:
    if path is None:
        stream = io.BytesIO()
        fastnn.save(obj, stream)
        stream.seek(0)
        return fastnn.load(stream, **options)
    fastnn.save(obj, path)
    return fastnn.load(path, **options)


PLAIN: list[Any] = [
    *(None, True, 0, -(2**100), 1.5, -0.0, 1e-320, 0.1, "", "text\x00\ud800\u00e9", b"\x00\xff", bytearray(b"ab")),
    *(1 - 2j, complex(math.inf, -0.0), [], [1, [2]], (), (1, (2, "x")), {1, 2}, frozenset({"a"}), {}, {"a": {1: None}}),
    {(1, "a"): 2.5, None: [], True: 1},
    *(OrderedDict([("b", 1), ("a", 2)]), Counter({5: 2}), fastnn.Size([2, 3]), fastnn.float64, fastnn.device("cpu")),
    {"dict": [1], "tensor": "x"},
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values(value: Any) -> None:
    found = _through({"value": value})["value"]
    assert type(found) is type(value) and found == value and repr(found) == repr(value)
    assert repr(_through(value)) == repr(value)


def test_floats_that_json_lacks() -> None:
    found = _through([math.inf, -math.inf, math.nan])
    assert found[:2] == [math.inf, -math.inf] and math.isnan(found[2])


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"])
def test_tensors(dtype: str, mmap: bool, tmp_path: Path) -> None:
    tensors = [fastnn.zeros(2, 3).to(getattr(fastnn, dtype)), fastnn.ones(()).to(getattr(fastnn, dtype))]
    tensors += [
        fastnn.zeros(0, 4).to(getattr(fastnn, dtype)),
        fastnn.arange(6).reshape(2, 3).to(getattr(fastnn, dtype)),
    ]
    for found, tensor in zip(_through(tensors, tmp_path / "a", mmap=mmap), tensors, strict=True):
        assert found.dtype == tensor.dtype and found.shape == tensor.shape and found.tolist() == tensor.tolist()
        found.fill_(1)  # the memory may be written to


def test_kinds_of_tensors() -> None:
    made = {
        "parameter": nn.Parameter(fastnn.ones(2)),
        "frozen": nn.Parameter(fastnn.ones(2), requires_grad=False),
        "buffer": nn.Buffer(fastnn.ones(2), persistent=False),
        "leaf": fastnn.ones(2, requires_grad=True),
        "computed": fastnn.ones(2, requires_grad=True) * 2,
        "array": np.asfortranarray(np.arange(6, dtype=np.uint16).reshape(2, 3)),
        "number": np.float32(0.1),
        "bool": np.bool_(True),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # uint16 widens
        found = _through(made)
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in made.items()}
    flags = {name: value.requires_grad for name, value in found.items() if hasattr(value, "requires_grad")}
    assert flags == {"parameter": True, "frozen": False, "buffer": False, "leaf": True, "computed": True}
    assert found["computed"].is_leaf and found["computed"].tolist() == [2, 2] and not found["buffer"].persistent
    assert found["array"].tolist() == [[0, 1, 2], [3, 4, 5]] and found["number"] == made["number"]


def test_strided_and_tied_tensors(tmp_path: Path) -> None:
    w = fastnn.arange(6.0).reshape(2, 3)
    found = _through({"t": w.t(), "a": w, "b": w, "c": w.detach(), "column": w[:, 1], "flipped": w.flip(0)})
    for name, value in (("t", w.t()), ("a", w), ("b", w), ("c", w), ("column", w[:, 1]), ("flipped", w.flip(0))):
        assert found[name].tolist() == value.tolist()
    assert found["a"] is found["b"]
    found["a"].fill_(7)
    assert found["c"].tolist() == found["a"].tolist() and found["column"].tolist() == [1, 4]
    fastnn.save({"a": w, "b": w, "d": {"e": w}}, tmp_path / "tied")
    assert list(safetensors.load_file(tmp_path / "tied")) == ["a"]  # stored once
    with safetensors.safe_open(tmp_path / "tied", "numpy") as file:
        assert file.metadata()["b"] == file.metadata()["d.e"] == "a"


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.emb.weight


def test_a_tied_model_and_its_optimizer() -> None:
    model = Tied()
    optimizer = optim.Adam(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        model.head(model.emb(fastnn.tensor([1, 2]))).square().sum().backward()
        optimizer.step()
    saved = _through({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    twin = Tied()
    twin.load_state_dict(saved["model"])
    assert twin.head.weight is twin.emb.weight and twin.emb.weight.tolist() == model.emb.weight.tolist()
    other = optim.Adam(twin.parameters())
    other.load_state_dict(saved["optimizer"])
    assert len(saved["optimizer"]["state"]) == len(other.state) == 1


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adam", {"amsgrad": True}),
    ("Adam", {"lr": fastnn.tensor(0.01)}),
    ("NAdam", {}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("ASGD", {"t0": 1}),
    ("Rprop", {}),
    ("Adafactor", {}),
    ("LBFGS", {"max_iter": 3, "line_search_fn": "strong_wolfe"}),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_training_goes_on_with_the_same_bits(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    def make() -> tuple[Any, Any, Any]:
        fastnn.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        optimizer = getattr(optim, kind)(net.parameters(), **copy.deepcopy(options))
        parts = [
            optim.lr_scheduler.LinearLR(optimizer, total_iters=2),
            optim.lr_scheduler.MultiStepLR(optimizer, [1, 3]),
        ]
        return net, optimizer, optim.lr_scheduler.SequentialLR(optimizer, parts, [2])

    def train(net: Any, optimizer: Any, scheduler: Any, steps: range) -> None:
        for step in steps:
            x = fastnn.tensor(np.random.default_rng(step).standard_normal((8, 3)).astype(np.float32))

            def closure(x: Any = x) -> Any:
                optimizer.zero_grad()
                loss = net(x).square().sum() + net[0].weight.square().sum()
                loss.backward()
                return loss

            optimizer.step(closure)
            scheduler.step()

    whole = make()
    train(*whole, range(3))
    fastnn.save({name: part.state_dict() for name, part in zip("nos", whole, strict=True)}, tmp_path / "checkpoint")
    train(*whole, range(3, 6))
    again = make()
    saved = fastnn.load(tmp_path / "checkpoint")
    for name, part in zip("nos", again, strict=True):
        part.load_state_dict(saved[name])
    train(*again, range(3, 6))
    for a, b in zip(whole[0].state_dict().values(), again[0].state_dict().values(), strict=True):
        assert a.tolist() == b.tolist()
    assert whole[2].get_last_lr() == again[2].get_last_lr()


def test_module_versions_are_kept() -> None:
    state = nn.BatchNorm1d(3).state_dict()
    found = _through({"m": state})["m"]
    assert type(found) is OrderedDict and list(found) == list(state) and found._metadata == state._metadata


class Point(NamedTuple):
    x: int


class Odd(dict):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "is a builtins.object"),
        (Point(1), "Point, which cannot be saved"),
        (Odd(), "Odd, which cannot be saved"),
        (nn.Linear(2, 2), r"save its state_dict\(\)"),
        (optim.SGD([fastnn.ones(1)]), r"save its state_dict\(\)"),
        (len, "builtin_function_or_method"),
        (np.array(["text"]), "dtype <U4"),
        (np.array([None]), "dtype object"),
        (np.ones(2, np.complex128), "dtype complex128"),
    ],
)
def test_what_is_not_data_is_refused_by_its_place(value: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=rf"the object\['a'\]\['1'\].*{words}"):
        fastnn.save({"a": [0, value]}, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_circle_is_refused() -> None:
    circle: list[Any] = [1]
    circle.append({"again": circle})
    with pytest.raises(ValueError, match="holds itself"):
        fastnn.save(circle, io.BytesIO())
    twice = [1]
    assert _through([twice, twice]) == [[1], [1]]


def test_names() -> None:
    one, two, three = fastnn.ones(1), fastnn.ones(2), fastnn.ones(3)
    odd = {"a": {"b": one}, "a.b": two, "__metadata__": three, 3: fastnn.zeros(4), "": fastnn.zeros(5)}
    found = _through(odd)
    assert [len(t) for t in (found["a"]["b"], found["a.b"], found["__metadata__"], found[3], found[""])] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert _through(fastnn.ones(3)).tolist() == [1, 1, 1]


def test_safetensors_files_of_others(tmp_path: Path) -> None:
    arrays = {"b": np.ones((2, 2), np.float32), "a": np.arange(3), "n": np.arange(3, dtype=np.uint32)}
    safetensors.save_file(arrays, tmp_path / "model.safetensors", metadata={"format": "np"})
    for mmap in (False, True):
        with pytest.warns(UserWarning, match=r"1 of uint32 \(loaded as int64\)"):
            found = fastnn.load(tmp_path / "model.safetensors", mmap=mmap)
        assert {name: value.tolist() for name, value in found.items()} == {n: a.tolist() for n, a in arrays.items()}
        assert found["n"].dtype == fastnn.int64
    fastnn.save(nn.Linear(2, 3).state_dict(), tmp_path / "ours.safetensors")
    assert {n: a.shape for n, a in safetensors.load_file(tmp_path / "ours.safetensors").items()} == {
        "weight": (3, 2),
        "bias": (3,),
    }


def _file(header: Any, data: bytes = b"", size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def _row(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def _tree(text: str) -> bytes:
    return _file({"__metadata__": {"fastnn": text}})


ROW = json.dumps(_row([1], 0, 4))
TWINS = f'{{"a":{ROW},"a":{ROW}}}'.encode()
DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "neither a safetensors file"),
    "short": (b"\x10", "neither a safetensors file"),
    "text": (b"hello, this is no file of ours", "neither a safetensors file"),
    "old pickle": (pickle.dumps({"a": 1}, 2), "PyTorch's format before 1.6"),
    "absurd header": (_file({}, size=2**60), "not a whole safetensors file"),
    "header beyond the end": (_file({}, size=100), "not a whole safetensors file"),
    "no json": (_file(b"{nonsense}"), "not a whole safetensors file"),
    "overlap": (_file({"a": _row([2], 0, 8), "b": _row([2], 4, 12)}, bytes(12)), "not a whole safetensors file"),
    "hole": (_file({"a": _row([1], 0, 4), "b": _row([1], 8, 12)}, bytes(12)), "not a whole safetensors file"),
    "beyond the end": (_file({"a": _row([2], 0, 8)}, bytes(4)), "not a whole safetensors file"),
    "absurd shape": (_file({"a": _row([2**40, 2**40], 0, 4)}, bytes(4)), "not a whole safetensors file"),
    "twins": (
        _file(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' * 2 + b'"b":1}', bytes(4)),
        "not a whole",
    ),
    "no tree": (_tree("{}"), "is damaged"),
    "another version": (_tree('{"version":9,"object":1}'), "version 9"),
    "missing tensor": (
        _tree('{"version":1,"object":{"tensor":"x"}}'),
        "is damaged: tensor",
    ),
    "unknown kind": (
        _tree('{"version":1,"object":{"call":["os.system"]}}'),
        "kind 'call'",
    ),
    "bad kind": (_tree('{"version":1,"object":{"dict":[1]}}'), "is damaged: dict"),
    "bad dtype": (_tree('{"version":1,"object":{"dtype":"x"}}'), "is damaged: dtype"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    data, words = DAMAGED[name]
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(RuntimeError, match=words):
        fastnn.load(io.BytesIO(data))
    for mmap in (False, True):
        with pytest.raises(RuntimeError, match=words):
            fastnn.load(tmp_path / "file", mmap=mmap)


def test_cut_files() -> None:
    stream = io.BytesIO()
    fastnn.save({"w": fastnn.ones(1000), "n": 3}, stream)
    data = stream.getvalue()
    for n in (0, 1, 10, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(RuntimeError):
            fastnn.load(io.BytesIO(data[:n]))
    assert fastnn.load(io.BytesIO(data))["w"].sum().item() == 1000.0


def test_dtypes_that_fastnn_lacks() -> None:
    values = np.array([1.0, -2.5, 3.140625, np.inf, 1e-40], np.float32)
    half = (values.view(np.uint32) >> 16).astype(np.uint16)
    data = _file({"a": _row([5], 0, 10, "BF16")}, half.tobytes())
    with pytest.warns(UserWarning, match=r"1 of bfloat16 \(loaded as float32\)"):
        found = fastnn.load(io.BytesIO(data))["a"].numpy()
    np.testing.assert_array_equal(found.view(np.uint32), values.view(np.uint32) & 0xFFFF0000)
    with pytest.raises(NotImplementedError, match=r"'a' in .* is of dtype U64"):
        fastnn.load(io.BytesIO(_file({"a": _row([1], 0, 8, "U64")}, bytes(8))))


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    fastnn.save({"old": fastnn.ones(3)}, path)

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="no space left"):
                fastnn.save({"new": fastnn.ones(3)}, path)
        assert list(fastnn.load(path)) == ["old"] and os.listdir(tmp_path) == ["file"]


def test_a_killed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    fastnn.save({"old": fastnn.ones(3)}, path)
    program = (
        "import os, signal, sys, fastnn\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"  # all is written, and the name is not changed
        "fastnn.save({'new': fastnn.ones(3)}, sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode != 0 and list(fastnn.load(path)) == ["old"]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_and_links(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    old = os.umask(0o027)
    try:
        fastnn.save(1, path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    link.symlink_to(path)
    fastnn.save(2, link)
    assert link.is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o600 and fastnn.load(path) == 2
    fastnn.save(3, os.devnull)
    assert not os.path.isfile(os.devnull)


def test_options(tmp_path: Path) -> None:
    path = tmp_path / "file"
    fastnn.save({"a": fastnn.ones(2)}, str(path))
    for location in ("cpu", fastnn.device("cpu"), {"cuda:0": "cpu"}, lambda storage, place: storage):
        assert fastnn.load(path, map_location=location, weights_only=True)["a"].tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="cuda"):
        fastnn.load(path, map_location="cuda:0")
    with pytest.raises(RuntimeError, match="cuda"):
        fastnn.load(path, map_location={"cpu": "cuda"})
    with pytest.raises(ValueError, match="must be a file path"):
        fastnn.load(io.BytesIO(path.read_bytes()), mmap=True)
    with pytest.raises(NotImplementedError, match="pickle_module"):
        fastnn.load(path, pickle_module=pickle)
    with pytest.raises(NotImplementedError, match="encoding"):
        fastnn.load(path, encoding="utf-8")
    with pytest.raises(NotImplementedError, match="pickle_protocol"):
        fastnn.save(1, path, pickle_protocol=2)
    with pytest.raises(FileNotFoundError):
        fastnn.load(tmp_path / "none")


def test_a_mapped_file_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    fastnn.save({"a": fastnn.ones(2)}, path)
    before = path.read_bytes()
    found = fastnn.load(path, mmap=True)["a"]
    found.fill_(5)
    fastnn.save({"a": fastnn.zeros(2)}, tmp_path / "other")
    assert found.tolist() == [5, 5] and path.read_bytes() == before


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"fastnn-cpu\[io\]"):
        fastnn.save(1, io.BytesIO())


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_file_that_cannot_be_written_whole_is_an_oserror_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    fastnn.save({"w": fastnn.ones(3)}, path)
    code = """
import errno, resource, signal, sys, fastnn
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    fastnn.save({"w": fastnn.zeros(1000)}, sys.argv[1])
except OSError as error:
    print(error.errno == errno.EFBIG)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\n", done.stderr
    assert fastnn.load(path)["w"].tolist() == [1, 1, 1]
    assert [file.name for file in tmp_path.iterdir()] == ["weights"]
