"""Libraries that only some of the toolkit needs, imported at their first use."""

from __future__ import annotations

import importlib
from typing import Any


def need(module: str, purpose: str) -> Any:
    """The module; ImportError that names the extra to install where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f'{purpose} needs {package}: pip install "fastnn-cpu[train]"') from error
