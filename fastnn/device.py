"""``device``: where a tensor lives. Always the CPU; the class is there so that PyTorch programs run unchanged."""

from __future__ import annotations

from typing import Any, TypeAlias, final

# Device types that PyTorch knows and fastnn does not have.
_FOREIGN_NAMES = (
    "cuda ipu xpu mkldnn opengl opencl ideep hip ve fpga maia xla lazy vulkan mps meta hpu mtia privateuseone"
)
_FOREIGN = frozenset(_FOREIGN_NAMES.split(" "))


@final
class device:
    """device("cpu"), device("cpu", 0), device("cpu:0") or device(another device).

    Equal when type and index are, as in PyTorch: device("cpu") != device("cpu:0").
    RuntimeError for another type, an index that is not a number, or a negative one; TypeError for other objects.
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: str | device | int, index: int | None = None) -> None:
        if isinstance(type, device):
            if index is not None:
                raise TypeError("device(): the argument 'type' is a device already: give no 'index'")
            kind, number = type.type, type.index
        elif isinstance(type, str):
            kind, number = _parse(type, index)
        elif isinstance(type, int):
            raise RuntimeError(f"device({type}) is an accelerator in PyTorch; fastnn is a CPU library: use 'cpu'")
        else:
            raise TypeError(f"device(): argument 'type' must be str, not {type.__class__.__name__}")
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", number)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute '{name}' of 'fastnn.device' objects is not writable")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return device, (str(self),)


def _parse(text: str, index: int | None) -> tuple[str, int | None]:
    kind, colon, digits = text.partition(":")
    if not text:
        raise RuntimeError("Device string must not be empty")
    if kind in _FOREIGN:
        raise RuntimeError(f"fastnn is a CPU library: it has no '{kind}' devices (device string: '{text}'); use 'cpu'")
    if kind != "cpu":
        raise RuntimeError(f"Expected one of cpu device type at start of device string: {text}")
    if colon:
        if index is not None:
            raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {text}")
        if not digits.isascii() or not digits.isdecimal() or (digits[0] == "0" and digits != "0"):
            raise RuntimeError(f"Invalid device string: '{text}'")
        return kind, int(digits)
    if index is not None and index < 0:
        raise RuntimeError(f"Device index must not be negative, got {index}")
    return kind, index


CPU = device("cpu")

DeviceLike: TypeAlias = "str | device | int | None"


def check(given: DeviceLike) -> device:
    """The device that an argument ``device=`` names; None is the CPU. Errors as of ``device``."""
    if given is None or given is CPU:
        return CPU
    return given if isinstance(given, device) else device(given)
