"""PyTorch's own files: what it saves is read here, and what is no data in a pickle is refused."""

from __future__ import annotations

import collections
import copyreg
import io
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim


def archive(data: bytes, entries: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A file as torch.save writes it, of any pickle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as made:
        made.writestr("archive/data.pkl", data)
        for name, value in {"version": b"3\n", **(entries or {})}.items():
            made.writestr(f"archive/{name}", value)
    return stream.getvalue()


def load(data: bytes) -> Any:
    return fastnn.load(io.BytesIO(data))


def _global(name: str) -> bytes:
    module, _, function = name.rpartition(".")
    return f"c{module}\n{function}\n".encode()


def _string(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _int(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def _storage(kind: str, key: str, count: int) -> bytes:
    return _tuple(_string("storage"), _global(kind), _string(key), _string("cpu"), _int(count)) + b"Q"


def tensor_pickle(
    count: int, offset: int, size: list[int], stride: list[int], kind: str = "torch.FloatStorage"
) -> bytes:
    """The pickle of a tensor, of a storage called 0."""
    sizes, strides = (_tuple(*map(_int, numbers)) for numbers in (size, stride))
    arguments = (_storage(kind, "0", count), _int(offset), sizes, strides, b"\x89", b"N")
    return b"\x80\x02" + _global("torch._utils._rebuild_tensor_v2") + _tuple(*arguments) + b"R."


FLOATS = np.arange(6, dtype="<f4").tobytes()


def test_a_tensor_made_by_hand() -> None:
    found = load(archive(tensor_pickle(6, 1, [2, 2], [1, 2]), {"data/0": FLOATS}))
    assert found.tolist() == [[1, 3], [2, 4]] and found.dtype == fastnn.float32
    found = load(archive(tensor_pickle(6, 0, [6], [1]), {"data/0": FLOATS}, zipfile.ZIP_DEFLATED))
    assert found.tolist() == [0, 1, 2, 3, 4, 5]
    big = np.arange(3, dtype=">i8").tobytes()
    entries = {"data/0": big, "byteorder": b"big"}
    found = load(archive(tensor_pickle(3, 0, [3], [1], "torch.LongStorage"), entries))
    assert found.tolist() == [0, 1, 2] and found.dtype == fastnn.int64 and found._array.dtype.isnative


@pytest.mark.parametrize(
    ("count", "offset", "size", "stride", "words"),
    [
        (6, 0, [7], [1], "reaches beyond its storage of 6"),
        (6, 2, [5], [1], "reaches beyond"),
        (6, 0, [2, 3], [4, 1], "reaches beyond"),
        (6, -1, [1], [1], "has offset -1"),
        (6, 0, [2], [-1], "stride"),
        (6, 0, [-2], [1], "has offset 0, size"),
        (6, 0, [2, 3], [1], "has offset 0, size"),
        (7, 0, [6], [1], "storage 0 has 24 bytes, not 28"),
        (2**30, 0, [1], [1], "storage 0 has 24 bytes, not 4294967296"),
        (-1, 0, [1], [1], "storage 0 has 24 bytes"),
    ],
)
def test_tensors_beyond_their_storage(count: int, offset: int, size: Any, stride: Any, words: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match=words):
        load(archive(tensor_pickle(count, offset, size, stride), {"data/0": FLOATS}))


class Runs:
    """An object whose pickle calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


class Thing:
    def __init__(self) -> None:
        self.x = 1


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: Runs(os.mkdir, path), r"posix\.mkdir|nt\.mkdir"),
        (lambda path: Runs(eval, f"__import__('os').mkdir({path!r})"), r"builtins\.eval"),
        (lambda path: Runs(getattr, "", "join"), r"builtins\.getattr"),
        (lambda path: Runs(subprocess.call, ["mkdir", path]), r"(subprocess|commands)\.call"),
        (lambda path: Thing(), "Thing|copyreg|copy_reg"),
        (lambda path: collections.defaultdict(list), r"collections\.defaultdict"),
        (lambda path: Path(path), r"pathlib"),
        (lambda path: os.mkdir, r"mkdir"),
        (lambda path: np.array([Runs(os.mkdir, path)], object), r"mkdir|dtype 'O8'"),
    ],
)
def test_code_is_never_run(make: Any, words: str, protocol: int, tmp_path: Path) -> None:
    marker = str(tmp_path / "marker")
    data = archive(pickle.dumps({"state": [1, make(marker)]}, protocol))
    for options in ({}, {"weights_only": False}, {"weights_only": True}):
        with pytest.raises(pickle.UnpicklingError, match=words):
            fastnn.load(io.BytesIO(data), **options)
    assert not os.path.exists(marker)


MALICIOUS: dict[str, tuple[bytes, str]] = {
    "import of a module": (b"\x80\x02cantigravity\nfly\n.", "antigravity.fly"),
    "a stack global": (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
    "a dotted name": (
        b"\x80\x04\x8c\x0dtorch.serialization\x8c\x09os.system\x93.".replace(b"\x0d", b"\x13"),
        "os.system",
    ),
    "inst": (b"\x80\x02(X\x02\x00\x00\x00lsios\nsystem\n.", "INST"),
    "obj": (b"\x80\x02(cos\nsystem\no.", "os.system"),
    "an extension": (b"\x80\x02\x82\x01.", "EXT1"),
    "a call of a string": (b"\x80\x02X\x02\x00\x00\x00os)R.", "calls a str"),
    "a call of a dtype": (b"\x80\x02ctorch\nfloat32\n)R.", "calls a dtype"),
    "a call of a storage": (b"\x80\x02ctorch\nFloatStorage\n)R.", "may only name"),
    "attributes of a function": (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}b.", "sets attributes of a Maker"),
    "attributes of a list": (b"\x80\x02]}b.", "sets attributes of a list"),
    "attributes of an ordered dict": (
        b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsNsb.",
        "sets attributes of a OrderedDict",
    ),
    "a name as data": (b"\x80\x02]ctorch._utils\n_rebuild_tensor_v2\na.", "holds a Maker"),
    "a storage as data": (b"\x80\x02" + _storage("torch.FloatStorage", "0", 6) + b".", "holds a Storage"),
    "an unknown storage": (b"\x80\x02" + _storage("torch.QInt8Storage", "0", 6) + b".", "torch.QInt8Storage"),
    "no storage": (b"\x80\x02" + _storage("torch.FloatStorage", "1", 6) + b".", "is damaged: KeyError"),
    "another persistent id": (b"\x80\x02X\x01\x00\x00\x00aQ.", "something else than a storage"),
    "no end": (b"\x80\x02]", "is damaged"),
    "an empty stack": (b"\x80\x02.", "is damaged: IndexError"),
    "no mark": (b"\x80\x02]t.", "is damaged"),
    "an unknown memo": (b"\x80\x02h\x07.", "is damaged: KeyError"),
    "append to a dict": (b"\x80\x02}Na.", "is damaged: TypeError"),
    "a list as a key": (b"\x80\x02}]Ns.", "is damaged: TypeError"),
    "an unknown operation": (b"\x80\x02\xff.", "is damaged"),
    "a string beyond the end": (b"\x80\x02X\xff\xff\xff\x7fabc.", "is damaged"),
    "an absurd number": (b"\x80\x02\x8b\xff\xff\xff\x7f.", "is damaged"),
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious_pickles(name: str) -> None:
    data, words = MALICIOUS[name]
    before = set(sys.modules)
    with pytest.raises(pickle.UnpicklingError, match=words):
        load(archive(data, {"data/0": FLOATS}))
    assert "antigravity" not in set(sys.modules) - before


def test_a_circle_in_a_pickle_is_data() -> None:
    found = load(archive(b"\x80\x02]q\x00h\x00a."))
    assert len(found) == 1 and found[0] is found


def test_damaged_archives(tmp_path: Path) -> None:
    good = archive(tensor_pickle(6, 0, [6], [1]), {"data/0": FLOATS})
    for n in (4, 30, len(good) // 2, len(good) - 1):
        with pytest.raises(RuntimeError, match="load: "):
            load(good[:n])
    place = good.index(FLOATS)
    with pytest.raises(RuntimeError, match="CRC"):
        load(good[: place + 4] + b"\x07" + good[place + 5 :])
    entries = {"data/0": FLOATS, "byteorder": b"middle"}
    with pytest.raises(RuntimeError, match="byte order is b'middle'"):
        load(archive(b"N.", entries))
    with pytest.raises(RuntimeError, match="TorchScript"):
        load(archive(b"N.", {"constants.pkl": b"N."}))
    np.savez(tmp_path / "arrays.npz", a=np.ones(2))
    with pytest.raises(RuntimeError, match=r"without data\.pkl"):
        fastnn.load(tmp_path / "arrays.npz")
    squeezed = bytearray(archive(b"N." + bytes(10), compression=zipfile.ZIP_DEFLATED))
    place = squeezed.index(b"PK\x01\x02") + 24  # the size that the first entry claims
    squeezed[place : place + 4] = struct.pack("<I", 2**31)
    with pytest.raises(RuntimeError, match="impossible size"):
        load(bytes(squeezed))


@pytest.mark.parametrize("inside", [False, True])
def test_files_with_wrong_bytes_are_refused_or_read(inside: bool) -> None:
    """Never another error than the documented ones: a thousand files, in a few places wrong each."""
    rng = np.random.default_rng(0)
    plain = pickle.dumps({"a": [1, 2.5, (None, "x")], "o": collections.OrderedDict(b=np.arange(3))}, 2)
    for number in range(500):
        data = tensor_pickle(6, 0, [2, 3], [3, 1]) if number % 2 else plain
        good = data if inside else archive(data, {"data/0": FLOATS})
        wrong = bytearray(good)
        for place in rng.integers(len(wrong), size=rng.integers(1, 4)):
            wrong[place] = rng.integers(256)
        try:
            load(archive(bytes(wrong), {"data/0": FLOATS}) if inside else bytes(wrong))
        except (pickle.UnpicklingError, RuntimeError) as error:
            assert "load: " in str(error)  # noqa: PT017


# ------------------------------------------------------------------------------------ what PyTorch itself writes


def _torch() -> Any:
    return pytest.importorskip("torch")


@pytest.mark.peer
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("mmap", [False, True])
def test_everything_plain(protocol: int, mmap: bool, tmp_path: Path) -> None:
    torch = _torch()
    w = torch.arange(6.0).reshape(2, 3)
    whole = {
        "a": w,
        "t": w.t(),
        "column": w[:, 1],
        "again": w,
        "parameter": torch.nn.Parameter(w.clone()),
        "buffer": torch.nn.Buffer(torch.ones(2)),
        "leaf": torch.ones(2, requires_grad=True),
        "number": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "half": torch.tensor([0.5, -1.0], dtype=torch.float16),
        "bool": torch.tensor([True, False]),
        "expanded": torch.ones(1).expand(3, 2),
    }
    plain = {
        "list": [1, 2.5, None, True, (1, "x"), 2**80, -1],
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        "counter": collections.Counter({1: 2}),
        "set": {1, 2},
        "complex": 1 + 2j,
        "bytes": b"\x00\xff",
        "array": np.arange(6, dtype=np.int16).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "float64": np.float64(2.5),
    }
    saved = {"whole": whole, "plain": plain, "size": w.shape, "dtype": torch.float64}
    torch.save(saved, tmp_path / "x.pt", pickle_protocol=protocol)
    found = fastnn.load(tmp_path / "x.pt", mmap=mmap)
    assert found["size"] == fastnn.Size([2, 3]) and found["dtype"] is fastnn.float64
    for name, value in whole.items():
        mine = found["whole"][name]
        assert mine.tolist() == value.tolist() and str(mine.dtype)[7:] == str(value.dtype)[6:]
        assert mine.requires_grad == value.requires_grad
        assert mine.stride() == value.stride() or not mine.numel()
    assert isinstance(found["whole"]["parameter"], nn.Parameter) and isinstance(found["whole"]["buffer"], nn.Buffer)
    assert found["whole"]["a"] is found["whole"]["again"]
    found["whole"]["a"][0, 1] = 100  # the storage is shared
    assert found["whole"]["t"][1, 0] == found["whole"]["column"][0] == 100
    for name, value in plain.items():
        assert type(found["plain"][name]) is type(value) and repr(found["plain"][name]) == repr(value)
    assert found["plain"]["array"].dtype == np.int16


@pytest.mark.peer
def test_dtypes_that_fastnn_lacks(tmp_path: Path) -> None:
    torch = _torch()
    values = torch.randn(5).bfloat16()
    tensors = {"b": values, "view": values[1:3], "u": torch.tensor([1, 65535], dtype=torch.uint16)}
    torch.save(tensors, tmp_path / "x.pt")
    with pytest.warns(UserWarning, match="1 of bfloat16 .*, 1 of uint16"):
        found = fastnn.load(tmp_path / "x.pt")
    assert found["b"].tolist() == values.tolist() and found["b"].dtype == fastnn.float32
    assert found["u"].tolist() == [1, 65535] and found["u"].dtype == fastnn.int32
    found["b"].fill_(3)
    assert found["view"].tolist() == [3, 3]
    for dtype in (torch.complex64, torch.uint64, torch.float8_e5m2):
        torch.save(torch.zeros(2, dtype=dtype), tmp_path / "x.pt")
        with pytest.raises(NotImplementedError, match=str(dtype)[6:]):
            fastnn.load(tmp_path / "x.pt")


@pytest.mark.peer
def test_what_else_pytorch_saves_is_refused(tmp_path: Path) -> None:
    torch = _torch()
    sparse = torch.ones(2, 2).to_sparse()
    odd = torch.ones(2)
    odd.mark = "x"
    for value, words in (
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        (torch.optim.SGD([torch.ones(1)]), "torch.optim.sgd.SGD"),
        (sparse, "_rebuild_sparse_tensor"),
        (odd, "attributes of its own"),
    ):
        torch.save({"value": value}, tmp_path / "x.pt")
        with pytest.raises(pickle.UnpicklingError, match=words):
            fastnn.load(tmp_path / "x.pt")
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match=r"before 1\.6"):
        fastnn.load(tmp_path / "x.pt")


@pytest.mark.peer
def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    torch = _torch()
    model = torch.nn.ModuleDict({"emb": torch.nn.Embedding(5, 3), "head": torch.nn.Linear(3, 5, bias=False)})
    model["head"].weight = model["emb"].weight
    torch.save(model.state_dict(), tmp_path / "x.pth")
    found = fastnn.load(tmp_path / "x.pth")
    found["emb.weight"].fill_(2)
    assert found["head.weight"].sum().item() == 30 and found._metadata == model.state_dict()._metadata


def _trained(library: Any, kind: str) -> tuple[Any, Any, Any]:
    library.manual_seed(0)
    parts = library.nn.Linear(3, 4, bias=False), library.nn.BatchNorm1d(4), library.nn.Linear(4, 2)
    net = library.nn.Sequential(*parts).double()
    optimizer = getattr(library.optim, kind)(net.parameters(), lr=0.01)
    return net, optimizer, library.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)


def _train(library: Any, net: Any, optimizer: Any, scheduler: Any, steps: range) -> None:
    for step in steps:
        x = library.tensor(np.random.default_rng(step).standard_normal((8, 3)))

        def closure(x: Any = x) -> Any:
            optimizer.zero_grad()
            loss = (net(x) ** 2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        scheduler.step()


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["SGD", "Adam", "NAdam", "RMSprop", "ASGD", "Rprop", "Adafactor", "LBFGS"])
def test_training_goes_on_from_pytorchs_checkpoint(kind: str, tmp_path: Path) -> None:
    torch = _torch()
    theirs = _trained(torch, kind)
    _train(torch, *theirs, range(3))
    torch.save([part.state_dict() for part in theirs], tmp_path / "checkpoint.pt")
    _train(torch, *theirs, range(3, 6))
    ours = _trained(fastnn, kind)
    for part, saved in zip(ours, fastnn.load(tmp_path / "checkpoint.pt"), strict=True):
        part.load_state_dict(saved)
    _train(fastnn, *ours, range(3, 6))
    for a, b in zip(ours[0].state_dict().values(), theirs[0].state_dict().values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.peer
def test_our_files_in_the_library_of_pytorch(tmp_path: Path) -> None:
    torch = _torch()
    load_file = pytest.importorskip("safetensors.torch").load_file
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    fastnn.save(net.state_dict(), tmp_path / "x.safetensors")
    twin = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    twin.load_state_dict(load_file(tmp_path / "x.safetensors"))
    assert twin[0].weight.tolist() == net[0].weight.tolist()


def test_registries_of_pickle_are_not_asked() -> None:
    copyreg.add_extension("os", "system", 240)
    try:
        with pytest.raises(pickle.UnpicklingError, match="EXT1"):
            load(archive(b"\x80\x02\x82\xf0."))
    finally:
        copyreg.remove_extension("os", "system", 240)


def test_a_plain_optimizer_state_of_old() -> None:
    """Step counts that are numbers, as PyTorch saved them once."""
    param = fastnn.ones(2, requires_grad=True)
    optimizer = optim.Adam([param])
    param.grad = fastnn.ones(2)
    optimizer.step()
    state = optimizer.state_dict()
    state["state"][0]["step"] = 5
    twin = optim.Adam([param])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        twin.load_state_dict(state)
        twin.step()
    assert twin.state[param]["step"].item() == 6
