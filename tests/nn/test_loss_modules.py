"""Loss modules: options, buffers and results as PyTorch has them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fastnn as fw

RNG = np.random.default_rng(0)
X, T, W = (RNG.standard_normal((4, 6)).tolist() for _ in range(3))
U, V = (RNG.uniform(0.1, 0.9, (4, 6)).tolist() for _ in range(2))
SIGN = np.where(RNG.standard_normal((4, 6)) > 0, 1.0, -1.0).tolist()
SIGNS = [1.0, -1.0, 1.0, -1.0]
LABELS = [1, 0, 5, 2]
CLASSES = {"weight": [0.5, 1.0, 2.0, 1.5, 0.7, 1.1]}

MODULES: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("L1Loss", {}, [X, T]), ("MSELoss", {"reduction": "sum"}, [X, T]), ("SmoothL1Loss", {"beta": 0.5}, [X, T]),
    ("HuberLoss", {"delta": 0.5}, [X, T]), ("BCELoss", CLASSES, [U, V]), ("BCEWithLogitsLoss", {}, [X, V]),
    ("BCEWithLogitsLoss", {"pos_weight": [0.5, 1.0, 2.0, 1.5, 0.7, 1.1], **CLASSES}, [X, V]),
    ("KLDivLoss", {"reduction": "batchmean"}, [X, V]), ("KLDivLoss", {"reduction": "sum", "log_target": True}, [X, T]),
    ("NLLLoss", {"ignore_index": 5, **CLASSES}, [X, LABELS]),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, [X, LABELS]),
    ("PoissonNLLLoss", {"full": True}, [X, V]), ("PoissonNLLLoss", {"log_input": False, "eps": 1e-3}, [U, V]),
    ("GaussianNLLLoss", {"full": True}, [X, T, U]), ("HingeEmbeddingLoss", {"margin": 0.5}, [X, SIGN]),
    ("MarginRankingLoss", {"margin": 0.1}, [X, T, SIGN]), ("SoftMarginLoss", {"reduction": "none"}, [X, SIGN]),
    ("CosineEmbeddingLoss", {"margin": 0.1}, [X, T, SIGNS]), ("TripletMarginLoss", {"p": 3.0, "swap": True}, [X, T, W]),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0}, [X, T, W]),
    ("MultiMarginLoss", {"p": 2, **CLASSES}, [X, LABELS]),
    ("MultiLabelSoftMarginLoss", CLASSES, [X, V]), ("CosineSimilarity", {"dim": 0}, [X, T]),
    ("PairwiseDistance", {"p": 1.0, "keepdim": True}, [X, T]),
]  # fmt: skip


def run(lib: Any, name: str, options: dict[str, Any], values: list[Any]) -> tuple[Any, Any, Any]:
    made = {key: lib.tensor(value) if isinstance(value, list) else value for key, value in options.items()}
    module = getattr(lib.nn, name)(**made)
    tensors = [lib.tensor(value) for value in values]
    tensors[0].requires_grad_(True)
    out = module(*tensors)
    out.sum().backward()
    return module, out.detach().numpy(), tensors[0].grad.numpy()


@pytest.mark.peer
@pytest.mark.parametrize(("name", "options", "values"), MODULES, ids=[f"{i}-{row[0]}" for i, row in enumerate(MODULES)])
def test_modules_are_pytorchs(name: str, options: dict[str, Any], values: list[Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, out, grad = run(fw, name, options, values)
    theirs, want, wanted = run(torch, name, options, values)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grad, wanted, rtol=1e-5, atol=1e-6)


def test_older_arguments_choose_the_reduction() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert fw.nn.MSELoss(size_average=False).reduction == "sum"
        assert fw.nn.BCELoss(reduce=False).reduction == "none"
    with pytest.raises(ValueError, match="margin"):
        fw.nn.TripletMarginWithDistanceLoss(margin=0.0)
