"""nn.utils.rnn: packing, padding and back, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.nn.utils import rnn

LENGTHS = [[4, 4, 2, 1], [1, 4, 2, 4], [4, 4, 4, 4]]


def _results(run: Any, *arrays: Any) -> None:
    """run(framework, its rnn module, tensors): equal tensors, and gradients of those that have one."""
    torch = pytest.importorskip("torch")
    found = []
    for fw, module in ((fastnn, rnn), (torch, torch.nn.utils.rnn)):
        tensors = [fw.tensor(array, requires_grad=True) for array in arrays]
        outs = [out for out in run(fw, module, tensors) if out is not None]
        for seed, out in enumerate(out for out in outs if out.requires_grad):
            out.backward(fw.tensor(np.random.default_rng(seed).standard_normal(tuple(out.shape))), retain_graph=True)
        found.append([out.detach().numpy() for out in outs] + [t.grad.numpy() for t in tensors if t.grad is not None])
    assert len(found[0]) == len(found[1]) > len(arrays)
    for have, want in zip(*found, strict=True):
        assert have.dtype == want.dtype
        np.testing.assert_array_equal(have, want)


@pytest.mark.peer
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_packing_and_padding_equal_pytorchs(lengths: list[int], batch_first: bool, as_tensor: bool) -> None:
    def run(fw: Any, module: Any, tensors: list[Any]) -> list[Any]:
        given = fw.tensor(lengths) if as_tensor else lengths
        ordered = lengths == sorted(lengths, reverse=True)
        packed = module.pack_padded_sequence(tensors[0], given, batch_first, enforce_sorted=ordered)
        padded = module.pad_packed_sequence(packed, batch_first=not batch_first, padding_value=2.5, total_length=6)
        return [*packed, *padded, *module.unpack_sequence(packed)]

    for tail in ((), (3,), (2, 3)):
        _results(run, np.random.default_rng(0).standard_normal((4, 4, *tail)))


@pytest.mark.peer
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_lists_of_sequences_equal_pytorchs(batch_first: bool, side: str) -> None:
    def run(fw: Any, module: Any, tensors: list[Any]) -> list[Any]:
        padded = module.pad_sequence(tensors, batch_first, -1.0, side)
        pieces = module.unpad_sequence(padded.clone(), fw.tensor([2, 5, 1]), batch_first)
        return [padded, *module.pack_sequence(tensors, enforce_sorted=False), *pieces]

    rng = np.random.default_rng(1)
    _results(run, *(rng.standard_normal((length, 3)) for length in (2, 5, 1)))


def test_labels_can_be_packed() -> None:
    packed = rnn.pack_sequence([fastnn.tensor([1, 2, 3]), fastnn.tensor([4, 5]), fastnn.tensor([6])])
    assert packed.data.tolist() == [1, 4, 6, 2, 5, 3] and packed.data.dtype == fastnn.int64
    assert packed.batch_sizes.tolist() == [3, 2, 1] and packed.sorted_indices is None
    assert [piece.tolist() for piece in rnn.unpack_sequence(packed)] == [[1, 2, 3], [4, 5], [6]]


def test_a_packed_sequence_is_converted() -> None:
    packed = rnn.pack_sequence([fastnn.ones(2, 3), fastnn.ones(3, 3)], enforce_sorted=False)
    double = packed.double()
    assert isinstance(double, rnn.PackedSequence) and double.data.dtype == fastnn.float64
    assert double.batch_sizes is packed.batch_sizes and double.unsorted_indices is packed.unsorted_indices
    assert packed.to(fastnn.float32) is packed and packed.float() is packed and packed.cpu() is packed
    names = {"half": "float16", "long": "int64", "int": "int32", "short": "int16", "char": "int8", "byte": "uint8"}
    for name, dtype in names.items():
        assert getattr(packed, name)().data.dtype == getattr(fastnn, dtype)
    assert not packed.is_cuda and not packed.is_pinned()
    data, sizes, _, _ = rnn.PackedSequence((packed.data, packed.batch_sizes), sorted_indices=packed.sorted_indices)
    assert data is packed.data and sizes is packed.batch_sizes
    inverse = rnn.invert_permutation(fastnn.tensor([2, 0, 1]))
    assert inverse is not None and inverse.tolist() == [1, 2, 0] and rnn.invert_permutation(None) is None


REFUSED: dict[str, Any] = {
    "not falling": lambda fw, m: m.pack_padded_sequence(fw.zeros(4, 2, 3), [1, 3]),
    "zero length": lambda fw, m: m.pack_padded_sequence(fw.zeros(4, 2, 3), [3, 0]),
    "too few lengths": lambda fw, m: m.pack_padded_sequence(fw.zeros(4, 2, 3), [3]),
    "no lengths": lambda fw, m: m.pack_padded_sequence(fw.zeros(4, 2, 3), []),
    "1-D": lambda fw, m: m.pack_padded_sequence(fw.zeros(4), [5, 1]),
    "empty": lambda fw, m: m.pack_padded_sequence(fw.zeros(0, 2, 3), [5, 1]),
    "no iterable": lambda fw, m: m.pad_sequence(3),
    "no sequences": lambda fw, m: m.pad_sequence([]),
    "side": lambda fw, m: m.pad_sequence([fw.zeros(2)], padding_side="x"),
    "total_length": lambda fw, m: m.pad_packed_sequence(m.pack_sequence([fw.zeros(2)]), total_length=1),
}


@pytest.mark.peer
@pytest.mark.parametrize("case", REFUSED)
def test_errors_are_pytorchs(case: str) -> None:
    torch = pytest.importorskip("torch")
    texts = []
    for fw, module in ((fastnn, rnn), (torch, torch.nn.utils.rnn)):
        with pytest.raises((RuntimeError, ValueError, IndexError)) as caught:
            REFUSED[case](fw, module)
        texts.append((caught.type, str(caught.value)))
    assert texts[0] == texts[1]


def test_lengths_and_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RuntimeError, match="at most input's 4 steps, got 5"):
        rnn.pack_padded_sequence(fastnn.zeros(4, 2, 3), [5, 1])
    with pytest.raises(RuntimeError, match="1D CPU int64"):
        rnn.pack_padded_sequence(fastnn.zeros(4, 2, 3), fastnn.tensor([[3, 1]]))
    with pytest.raises(RuntimeError, match=r"sequence 1 has shape \[2, 4\], expected \[length, 3\]"):
        rnn.pad_sequence([fastnn.zeros(2, 3), fastnn.zeros(2, 4)])
    with pytest.raises(ValueError, match="expected one for each of 2 sequences, got 1"):
        rnn.unpad_sequence(fastnn.zeros(4, 2), fastnn.tensor([1]))
