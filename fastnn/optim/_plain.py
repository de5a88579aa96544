"""What the optimizers have in common that go through their parameters one by one, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.dtypes import float64, get_default_dtype
from fastnn.ops.dims import Array
from fastnn.optim._plan import KERNEL_DTYPES
from fastnn.optim.optimizer import Optimizer, loss_of
from fastnn.tensor import Tensor

FACTORY_STATES = ("step", "eta", "mu")  # numbers of the optimizer, not of the parameter's dtype


def scalar(value: float) -> Tensor:
    """A state that is one number: in float64 where that is the default dtype, else in float32."""
    dtype = np.float64 if get_default_dtype() == float64 else np.float32
    return _core.wrap(np.array(value, dtype))


class PlainOptimizer(Optimizer):
    """A subclass gives a parameter's first state and the update of its array.

    The update works in float32 or float64: arrays of other dtypes are copied, and rounded once at its end.
    """

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, default in self.defaults.items():
                if name in ("foreach", "maximize", "differentiable", "capturable"):
                    group.setdefault(name, None if default is None else False)
            for param in group["params"]:
                entry = self._state.get(param, {})
                for name in FACTORY_STATES:
                    if name in entry and not isinstance(entry[name], Tensor):
                        entry[name] = scalar(float(entry[name]))

    def _first_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        raise NotImplementedError

    def _change(self, group: dict[str, Any], param: Array, grad: Array, state: dict[str, Array]) -> None:
        """Write the new values into ``param`` and ``state``. ``grad`` is not changed; maximize was seen to."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient. ``closure`` computes the loss anew, which is returned."""
        loss = loss_of(closure)
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            for param in params:
                if not param._array.flags.writeable:
                    raise RuntimeError(f"step(): a parameter of shape {tuple(param.shape)} lies in read-only memory")
            for param in params:
                state = self._state[param]
                if not state:
                    state.update(self._first_state(param, group))
                self._change_one(group, param, state)
                _core.bump_version(param)
        return loss

    def _change_one(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        assert param.grad is not None
        grad = param.grad._array
        arrays = {name: tensor._array for name, tensor in state.items()}
        values = param._array
        own = values.dtype in KERNEL_DTYPES
        if not own:
            wide = {name: a.astype(np.float32) if a.dtype == values.dtype else a for name, a in arrays.items()}
            work, grad = values.astype(np.float32), grad.astype(np.float32)
        else:
            work, wide = values, arrays
        self._change(group, work, -grad if group.get("maximize") else grad, wide)
        if not own:
            values[...] = work
            for name, array in arrays.items():
                if wide[name] is not array:
                    array[...] = wide[name]
