"""AdaptiveLogSoftmaxWithLoss: a softmax over many classes, the rare ones in clusters (Grave et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.nn.container import ModuleList, Sequential
from fastnn.nn.linear import Linear
from fastnn.nn.module import Module
from fastnn.ops.gather import gather, index_add, index_select
from fastnn.ops.join import cat
from fastnn.ops.softmax import log_softmax
from fastnn.tensor import Tensor


class _ASMoutput(NamedTuple):
    """The targets' log probabilities and minus their mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """log softmax over ``n_classes`` classes sorted from frequent to rare: a head of the first ``cutoffs[0]`` of them
    and one entry for each cluster of the others, whose own layers are ``div_value`` times narrower each.

    input: (N, in_features) or (in_features,), target: (N,) or () int64; returns (output, loss): the log probabilities
    of the targets, and minus their mean. ValueError for cutoffs that are not ascending within [1, n_classes - 1];
    RuntimeError for shapes and targets that do not fit.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = list(cutoffs)
        if not given:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        ascending = all(a < b for a, b in pairwise(given))
        if not ascending or given[0] <= 0 or given[-1] > n_classes - 1 or any(int(c) != c for c in given):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                f"value is between 1 and n_classes-1; got {given} for {n_classes} classes"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*given, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = given[0]
        self.n_clusters = len(given)
        self.head_size = self.shortlist_size + self.n_clusters
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(Linear(in_features, width, bias=False, **made), Linear(width, size, bias=False, **made))
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for narrow, wide in self.tail:
            narrow.reset_parameters()
            wide.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        """See the class."""
        single = target_.dim() == 0
        if target_.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if input_.dim() != target_.dim() + 1:
            raise RuntimeError(
                f"{target_.dim()}D target tensor expects {target_.dim() + 1}D input tensors, but found inputs with "
                f"size {list(input_.shape)}"
            )
        if not single and input_.shape[0] != target_.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        input, labels = (input_.unsqueeze(0), target_._array.reshape(1)) if single else (input_, target_._array)
        if labels.size and not (labels.min() >= 0 and labels.max() < self.n_classes):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{labels.min()}, {labels.max()}] were found. "
            )
        entry = labels.astype(np.int64)
        output = None
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            rows = np.flatnonzero((labels >= low) & (labels < high))
            if not rows.size:
                continue
            entry[rows] = self.shortlist_size + i
            at = _core.wrap(rows)
            inner = log_softmax(self.tail[i](index_select(input, 0, at)), 1)
            found = gather(inner, 1, _core.wrap((labels[rows] - low).astype(np.int64)[:, None])).squeeze(1)
            base = found.new_zeros(labels.size) if output is None else output
            output = index_add(base, 0, at, found)
        head = gather(log_softmax(self.head(input), 1), 1, _core.wrap(entry[:, None])).squeeze(1)
        output = head if output is None else output + head
        loss = (-output).mean()
        return _ASMoutput(output.squeeze(0) if single else output, loss)

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        """(N, n_classes): all log probabilities, from the input and what the head made of it."""
        head = log_softmax(head_output, 1)
        parts = [head[:, : self.shortlist_size]]
        for i, layers in enumerate(self.tail):
            entry = self.shortlist_size + i
            parts.append(log_softmax(layers(input), 1) + head[:, entry : entry + 1])
        return cat(parts, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """(N, in_features) to (N, n_classes): the log probabilities of all classes."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """(N, in_features) to (N,): the most probable class; clusters are looked into only where the head says so."""
        head_output = self.head(input)
        best: Tensor = head_output.argmax(1)
        rare = np.flatnonzero(best._array >= self.shortlist_size)
        if rare.size:
            at = _core.wrap(rare)
            log_prob = self._get_full_log_prob(index_select(input, 0, at), index_select(head_output, 0, at))
            best._array[rare] = log_prob._array.argmax(1)
        return best
