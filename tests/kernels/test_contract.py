"""The backends define what the contract names, with its parameters, and the table covers all of it."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest
from kernel_rows import load

from fastnn.kernels import contract
from fastnn.kernels.cases import CASES

KERNELS = sorted(name for name, value in vars(contract).items() if inspect.isfunction(value))
# Kernels that compute a gradient: the backward ones, and the losses that give it in the same pass.
LOSSES = ("cross_entropy_forward", "pointwise_loss")
DIFFERENTIATED = [name for name in KERNELS if name.endswith("_backward") or name in LOSSES]
# What the numba backend does without: it is there for the products, convolution, the recurrent layers, attention,
# softmax and element-wise work.
LACKING = (
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_inference",
    "embedding_backward",
    "embedding_forward",
    "gradient_norm",
    "group_norm_backward",
    "group_norm_forward",
    "layer_norm_backward",
    "layer_norm_forward",
    "rms_norm_backward",
    "rms_norm_forward",
    "rule_step",
    "scale_gradients",
)


def test_the_contract_lists_its_kernels() -> None:
    assert sorted(contract.KERNELS) == KERNELS


@pytest.mark.parametrize("kernel", KERNELS)
def test_signature(backend: ModuleType, kernel: str) -> None:
    promised = inspect.signature(getattr(contract, kernel))
    have = inspect.signature(getattr(backend, kernel))
    assert list(have.parameters) == list(promised.parameters)
    assert [p.default for p in have.parameters.values()] == [p.default for p in promised.parameters.values()]


@pytest.mark.parametrize("name", ["numpy", "numba"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_annotations(name: str, kernel: str) -> None:
    assert inspect.signature(getattr(load(name), kernel)) == inspect.signature(getattr(contract, kernel))


def test_backends_lack_only_what_is_meant(backend: ModuleType) -> None:
    missing = getattr(backend, "MISSING", ())
    assert missing == (LACKING if backend.__name__.endswith("numba_backend") else ())
    assert set(missing) <= set(KERNELS)
    assert not [kernel for kernel in missing if hasattr(backend, kernel)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_has_value_and_benchmark_rows(kernel: str) -> None:
    rows = [case for case in CASES if case.kernel == kernel]
    assert rows, f"{kernel} has no row in kernels/cases/"
    assert any(case.size for case in rows), f"{kernel} has no benchmark row in kernels/cases/"


@pytest.mark.parametrize("kernel", DIFFERENTIATED)
def test_every_gradient_has_a_row(kernel: str) -> None:
    assert any(case.gradient for case in CASES if case.kernel == kernel), f"{kernel} has no gradient row"


def test_rows_are_well_formed() -> None:
    assert {case.kernel for case in CASES} <= set(KERNELS)
    assert {case.size for case in CASES} == {None, "small", "large"}
    ids = [case.id for case in CASES]
    assert len(ids) == len(set(ids))
    for case in CASES:
        assert set(case.outputs) <= set(inspect.signature(getattr(contract, case.kernel)).parameters), case.id
