"""Grad modes: whether ops are recorded, in this thread."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from fastnn import _core

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_inference",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]

Callee = TypeVar("Callee", bound=Callable[..., Any])
Self = TypeVar("Self")


class _Mode:
    """A mode of this thread, as a context manager and as a decorator."""

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *exception: object) -> None:
        raise NotImplementedError

    def _again(self) -> _Mode:
        """A manager of its own for each call of a decorated function."""
        return type(self)()

    def __call__(self, function: Callee) -> Callee:
        if inspect.isgeneratorfunction(function):
            return cast(Callee, self._around_generator(function))

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return cast(Callee, inside)

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The mode holds while the generator runs, and not between, while its user does."""

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            step, value = generator.send, None
            while True:
                try:
                    with self._again():
                        item = step(value)
                except StopIteration as end:
                    return end.value
                try:
                    value = yield item
                    step = generator.send
                except GeneratorExit:
                    with self._again():
                        generator.close()
                    raise
                except BaseException as error:
                    step, value = generator.throw, error

        return inside


class _Recording(_Mode):
    """Recording turned on or off; also decorates without parentheses, as in `@no_grad`."""

    mode: bool

    @overload
    def __new__(cls: type[Self], function: None = None) -> Self: ...
    @overload
    def __new__(cls, function: Callee) -> Callee: ...  # type: ignore[misc] # an instance is expected
    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self.previous = _core.set_grad_mode(self.mode)

    def __exit__(self, *exception: object) -> None:
        _core.set_grad_mode(self.previous)


class no_grad(_Recording):
    """Turns recording off in this thread: `with no_grad():` or `@no_grad()`."""

    mode = False


class enable_grad(_Recording):
    """Turns recording on in this thread, also within no_grad."""

    mode = True


class set_grad_enabled(_Mode):
    """Turns recording on or off: at once when called, back again at the end of a `with`."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self.previous = _core.set_grad_mode(self.mode)

    def __enter__(self) -> None:
        _core.set_grad_mode(self.mode)

    def __exit__(self, *exception: object) -> None:
        _core.set_grad_mode(self.previous)

    def _again(self) -> _Mode:
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callee) -> Callee:
        _core.set_grad_mode(self.previous)  # a decorator acts on the function alone
        return super().__call__(function)


class inference_mode(_Mode):
    """no_grad whose new tensors can never be saved for a backward."""

    mode: bool

    @overload
    def __new__(cls: type[Self], mode: bool = True) -> Self: ...
    @overload
    def __new__(cls, mode: Callee) -> Callee: ...  # type: ignore[misc] # an instance is expected
    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if callable(mode):
            self.mode = True
            return self(mode)
        self.mode = bool(mode)
        return self

    def __enter__(self) -> None:
        self.previous = (_core.set_grad_mode(not self.mode), _core.set_inference_mode(self.mode))

    def __exit__(self, *exception: object) -> None:
        _core.set_grad_mode(self.previous[0])
        _core.set_inference_mode(self.previous[1])

    def _again(self) -> _Mode:
        return inference_mode(self.mode)


def is_inference_mode_enabled() -> bool:
    """Whether this thread is in inference mode."""
    return _core.is_inference_mode()


def is_inference(input: Tensor) -> bool:
    """Whether input was made in inference mode."""
    return input.is_inference()
