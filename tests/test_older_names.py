"""Names that older scripts use, small questions about tensors, and what is asked of a build without a GPU."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import fastnn


def test_tensor_types_make_tensors_and_answer_isinstance() -> None:
    assert fastnn.FloatTensor(2, 3).shape == (2, 3)
    assert fastnn.LongTensor([1, 2]).dtype is fastnn.int64
    assert fastnn.FloatTensor(fastnn.ones(2).size()).shape == (2,)
    assert isinstance(fastnn.ones(2), fastnn.FloatTensor) and not isinstance(fastnn.ones(2), fastnn.DoubleTensor)
    assert fastnn.ones(2).type("torch.LongTensor").dtype is fastnn.int64
    assert fastnn.ones(2).type(fastnn.DoubleTensor).dtype is fastnn.float64
    with pytest.raises(ValueError, match="invalid type"):
        fastnn.ones(2).type("torch.NoTensor")
    with pytest.raises(TypeError, match="expected FloatTensor"):
        fastnn.FloatTensor(fastnn.arange(2))


def test_there_is_no_gpu() -> None:
    assert not fastnn.cuda.is_available() and fastnn.cuda.device_count() == 0
    assert not fastnn.backends.mps.is_available() and not fastnn.backends.cudnn.is_available()
    fastnn.cuda.manual_seed_all(0)
    fastnn.backends.cudnn.benchmark = True
    with pytest.raises(RuntimeError, match="CPU library"):
        fastnn.cuda.current_device()
    with pytest.raises(RuntimeError):
        fastnn.set_default_device("cuda")
    fastnn.set_default_device("cpu")
    assert fastnn.get_default_device() == fastnn.device("cpu")
    assert fastnn.ones(1).get_device() == -1 and fastnn.ones(1).is_cpu


def test_modes_are_remembered() -> None:
    fastnn.use_deterministic_algorithms(True, warn_only=True)
    assert fastnn.are_deterministic_algorithms_enabled() and fastnn.get_deterministic_debug_mode() == 1
    fastnn.use_deterministic_algorithms(False)
    fastnn.set_float32_matmul_precision("high")
    assert fastnn.get_float32_matmul_precision() == "high"
    fastnn.set_float32_matmul_precision("highest")
    with pytest.raises(ValueError, match="precision"):
        fastnn.set_float32_matmul_precision("low")
    assert fastnn.compile(len) is len and fastnn.compile(dynamic=True)(len) is len


def test_memory_formats() -> None:
    x = fastnn.arange(6).reshape(2, 3).t()
    assert x.to(memory_format=fastnn.contiguous_format).is_contiguous()
    assert x.clone(memory_format=fastnn.preserve_format).tolist() == x.tolist()
    assert fastnn.zeros(2, layout=fastnn.strided).layout is fastnn.strided
    with pytest.raises(NotImplementedError, match="channels_last"):
        x.contiguous(memory_format=fastnn.channels_last)


def test_small_questions() -> None:
    x = fastnn.ones(2, 3)
    assert fastnn.numel(x) == 6 and fastnn.is_same_size(x, x) and fastnn.is_signed(x)
    assert fastnn.is_nonzero(fastnn.tensor(2)) and not fastnn.is_nonzero(fastnn.tensor([0.0]))
    with pytest.raises(RuntimeError, match="more than one value"):
        fastnn.is_nonzero(x)
    assert fastnn.typename(x) == "fastnn.FloatTensor" and fastnn.typename(3) == "int"
    assert fastnn.broadcast_shapes((2, 1), (3,)) == (2, 3)
    assert x.H.shape == (3, 2) and x[None].mT.shape == (1, 3, 2)
    with pytest.raises(RuntimeError, match="matrices"):
        _ = x[0].mT
    assert list(reversed(fastnn.arange(3))) == [2, 1, 0]


def test_small_makers() -> None:
    assert fastnn.scalar_tensor(3).dtype is fastnn.float32
    assert fastnn.range(1, 4).tolist() == [1, 2, 3, 4]
    assert fastnn.fill(fastnn.arange(3), 7).tolist() == [7, 7, 7]
    assert fastnn.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert fastnn.empty_permuted((2, 3, 4), (0, 2, 1)).stride() == (12, 1, 3)
    assert fastnn.ones(2).new_empty_strided((2,), (3,), dtype=fastnn.int32).dtype is fastnn.int32
    assert fastnn.constant_pad_nd(fastnn.ones(2), (1, 0), 5.0).tolist() == [5, 1, 1]
    x = fastnn.arange(3)
    assert x.apply_(lambda v: v * v).tolist() == [0, 1, 4]
    assert x.map_(fastnn.tensor(2), lambda a, b: a - b).tolist() == [-2, -1, 2]


def test_draws_have_their_means() -> None:
    fastnn.manual_seed(0)
    rates = fastnn.full((20000,), 3.0)
    assert abs(fastnn.poisson(rates).mean().item() - 3) < 0.1
    drawn = fastnn.binomial(fastnn.full((20000,), 10.0), fastnn.full((20000,), 0.3))
    assert abs(drawn.mean().item() - 3) < 0.1 and drawn.max() <= 10
    x = fastnn.empty(20001)
    assert abs(x.cauchy_(2.0).median().item() - 2) < 0.1
    assert abs(x.geometric_(0.25).mean().item() - 4) < 0.2 and x.min() >= 1
    assert abs(x.log_normal_(0.5, 1.0).median().item() - np.exp(0.5)) < 0.1
    with pytest.raises(RuntimeError, match="non-negative"):
        fastnn.poisson(-rates)
    with pytest.raises(RuntimeError, match="p to be in"):
        x.geometric_(1.5)


def test_numpys_functions_of_tensors_give_tensors() -> None:
    x = fastnn.tensor([0.0, 4.0])
    assert isinstance(np.sqrt(x), fastnn.Tensor) and np.sqrt(x).tolist() == [0, 2]
    assert isinstance(np.isnan(x), fastnn.Tensor) and np.isnan(x).dtype is fastnn.bool
    with pytest.raises(RuntimeError, match="requires grad"):
        np.sqrt(x.requires_grad_())


def test_new_makes_more_of_the_kind() -> None:
    x = fastnn.ones(1, dtype=fastnn.float64)
    assert x.new(2, 3).shape == (2, 3) and x.new([1, 2]).dtype is fastnn.float64


def test_views_pickle_and_copy_alone() -> None:
    x = fastnn.arange(6.0).reshape(2, 3)
    v = x[1]
    for made in (pickle.loads(pickle.dumps(v)), copy.deepcopy(v)):
        assert made.tolist() == [3, 4, 5] and made._base is None
        made.zero_()
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
