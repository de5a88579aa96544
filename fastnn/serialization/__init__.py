"""Saving and loading: ``save`` writes safetensors files, ``load`` reads them and PyTorch's own.

| file | what it holds |
|---|---|
| ``_tree.py`` | nested containers as tensors by name and a JSON text, and back |
| ``_safetensors.py`` | safetensors files, by the library of that name |
| ``_atomic.py`` | files that are written whole or not at all |
| ``_torch_file.py`` | PyTorch's zip files and the storages in them |
| ``_unpickle.py``, ``_rebuild.py`` | their pickles, of which only data is read |
| ``_dtypes.py`` | the files' dtypes |

``docs/serialization.md`` describes the layout.
"""

from __future__ import annotations

from fastnn.serialization._load import load
from fastnn.serialization._save import save

__all__ = ["load", "save"]
