"""L-BFGS (Liu & Nocedal 1989; Nocedal & Wright 2006, algorithm 7.4), as PyTorch has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array
from fastnn.optim._line_search import Point, strong_wolfe
from fastnn.optim.optimizer import Optimizer, check_rate, loss_of
from fastnn.tensor import Tensor


class LBFGS(Optimizer):
    """Quasi-Newton: each step is up to ``max_iter`` iterations p += t * d, d = -H g, with H made of the last
    ``history_size`` changes of p and g. ``step`` needs a closure, which it calls up to ``max_eval`` times.

    ``line_search_fn``: None (t = lr; at first min(1, 1 / sum |g|) * lr) or "strong_wolfe". A step ends where
    max |g| <= ``tolerance_grad``, or where neither p nor the loss changes by ``tolerance_change``.

    One parameter group only (ValueError). The state, of the first parameter, has PyTorch's names.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_rate("learning rate", lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        params: list[Tensor] = self.param_groups[0]["params"]
        return params

    def _gradient(self) -> Array:
        """All gradients end to end, in memory of their own."""
        return np.concatenate(
            [np.zeros(p.numel(), p._array.dtype) if p.grad is None else p.grad._array.ravel() for p in self._params]
        )

    def _move(self, t: Any, direction: Array) -> None:
        offset = 0
        for param in self._params:
            array = param._array
            step = direction[offset : offset + array.size].reshape(array.shape)
            array += (t * step).astype(array.dtype, copy=False)
            offset += array.size
        _core.bump_versions(self._params)

    def _restore(self, values: list[Array]) -> None:
        for param, value in zip(self._params, values, strict=True):
            param._array[...] = value
        _core.bump_versions(self._params)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to ``max_iter`` iterations. ``closure`` computes the loss and its gradients; the first loss is returned.

        TypeError without a closure; RuntimeError for an unknown ``line_search_fn``.
        """
        if closure is None:
            raise TypeError("LBFGS.step() missing 1 required positional argument: 'closure'")
        group = self.param_groups[0]
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        state = self._state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = loss_of(closure)
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        grad = self._gradient()
        if np.abs(grad).max() <= group["tolerance_grad"]:
            return first_loss

        memory = _Memory(state, group["history_size"])
        lr, rounds = float(group["lr"]), 0
        while rounds < group["max_iter"]:
            rounds += 1
            state["n_iter"] += 1
            direction = memory.direction(grad, state["n_iter"] == 1)
            loss_before = loss
            t: Any = min(1.0, 1.0 / np.abs(grad).sum()) * lr if state["n_iter"] == 1 else lr
            memory.t, memory.previous_loss = t, loss_before
            slope = np.dot(grad, direction)
            if slope > -group["tolerance_change"]:
                break
            added = 0
            if search is None:
                self._move(t, direction)
                if rounds != group["max_iter"]:  # the loss after the last move is not needed
                    loss, added = float(loss_of(closure)), 1
                    grad = self._gradient()
            else:
                values = [param._array.copy() for param in self._params]

                def evaluate(t: Any, direction: Array = direction, values: list[Array] = values) -> tuple[float, Array]:
                    self._move(t, direction)
                    found = float(loss_of(closure)), self._gradient()
                    self._restore(values)
                    return found

                start = Point(0, loss, grad, slope)
                point, added = strong_wolfe(evaluate, start, t, direction, group["max_eval"] - evaluations)
                t, loss, grad = point.t, point.loss, point.grad
                memory.t = t
                self._move(t, direction)
            evaluations += added
            state["func_evals"] += added
            if (
                rounds == group["max_iter"]
                or evaluations >= group["max_eval"]
                or np.abs(grad).max() <= group["tolerance_grad"]
                or np.abs(direction * t).max() <= group["tolerance_change"]
                or abs(loss - loss_before) < group["tolerance_change"]
            ):
                break
        memory.save(state)
        return first_loss


class _Memory:
    """What LBFGS remembers between iterations, as arrays; in the state it stands as tensors."""

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self.size = size
        self.d: Array | None = _array(state.get("d"))
        self.t: Any = _array(state.get("t"))
        self.grads: list[Array] = _arrays(state.get("old_dirs"))  # changes of the gradient
        self.moves: list[Array] = _arrays(state.get("old_stps"))  # changes of the parameters
        self.inverses: list[Any] = _arrays(state.get("ro"))
        self.scale: Any = _array(state.get("H_diag"))
        self.previous: Array | None = _array(state.get("prev_flat_grad"))
        self.previous_loss: float | None = state.get("prev_loss")
        self.shares: list[Any] = _arrays(state.get("al"))

    def direction(self, grad: Array, first: bool) -> Array:
        """-H * grad, H renewed by the step since the last call."""
        if first:
            self.grads, self.moves, self.inverses, self.scale = [], [], [], 1
            self.d = -grad
        else:
            assert self.previous is not None and self.d is not None
            change, move = grad - self.previous, self.d * self.t
            product = np.dot(change, move)
            if product > 1e-10:
                if len(self.grads) == self.size:
                    for memory in (self.grads, self.moves, self.inverses):
                        memory.pop(0)
                self.grads.append(change)
                self.moves.append(move)
                self.inverses.append(1.0 / product)
                self.scale = product / np.dot(change, change)
            self.shares = self.shares or [None] * self.size
            rest = -grad
            for i in reversed(range(len(self.grads))):
                self.shares[i] = np.dot(self.moves[i], rest) * self.inverses[i]
                rest -= self.shares[i] * self.grads[i]
            rest *= self.scale
            for i, move in enumerate(self.moves):
                rest += (self.shares[i] - np.dot(self.grads[i], rest) * self.inverses[i]) * move
            self.d = rest
        self.previous = grad
        return self.d

    def save(self, state: dict[str, Any]) -> None:
        values = {
            "d": self.d,
            "t": self.t,
            "old_dirs": self.grads,
            "old_stps": self.moves,
            "ro": self.inverses,
            "H_diag": self.scale,
            "prev_flat_grad": self.previous,
            "prev_loss": self.previous_loss,
        }
        if self.shares:
            values["al"] = self.shares
        state.update({name: _tensors(value) for name, value in values.items()})


def _array(value: Any) -> Any:
    if isinstance(value, Tensor):
        array = value.detach()._array
        return array[()] if array.ndim == 0 else array
    return value


def _arrays(values: list[Any] | None) -> list[Any]:
    return [_array(value) for value in values or []]


def _tensors(value: Any) -> Any:
    if isinstance(value, list):
        return [_tensors(item) for item in value]
    return _core.wrap(np.asarray(value)) if isinstance(value, (np.ndarray, np.generic)) else value
