"""``save``: tensors and plain containers into a safetensors file."""

from __future__ import annotations

import json
import os
from typing import Any

from fastnn.serialization import _safetensors
from fastnn.serialization._atomic import write_atomically
from fastnn.serialization._tree import Encoder

VERSION = 1


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int | None = None,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write ``obj`` to ``f``, a path or a file open for writing, in the safetensors format.

    ``obj``: tensors, parameters, NumPy arrays and numbers, None, bool, int, float, complex, str, bytes, and lists,
    tuples, dicts, OrderedDicts, Counters and sets of them: the ``state_dict`` of modules, optimizers and schedulers,
    however nested. Tensors are stored by logical value, those that share the same memory once: loaded, they share it
    again. Other programs that read safetensors see every tensor under its dotted path.

    A path is written atomically: a crash leaves the old file whole.

    TypeError, naming the place, for anything else (whole modules too: save their ``state_dict()``); ValueError for a
    container that holds itself; NotImplementedError for the options about pickles; ImportError without safetensors.
    """
    if pickle_module is not None or pickle_protocol is not None:
        name = "pickle_module" if pickle_module is not None else "pickle_protocol"
        raise NotImplementedError(f"save: {name} is not implemented: nothing is pickled, leave the option out")
    if not _use_new_zipfile_serialization or _disable_byteorder_record:
        raise NotImplementedError(
            "save: _use_new_zipfile_serialization=False and _disable_byteorder_record=True are not implemented"
        )
    encoder = Encoder()
    tree = json.dumps({"version": VERSION, "object": encoder.encode(obj)}, separators=(",", ":"), allow_nan=False)
    # Names of tied tensors that are not stored are listed as safetensors' own save_model does.
    metadata = {**{k: v for k, v in encoder.same.items() if k not in encoder.arrays}, "format": "pt", "fastnn": tree}
    if hasattr(f, "write"):
        f.write(_safetensors.to_bytes(encoder.arrays, metadata))
    elif os.path.exists(f) and not os.path.isfile(f):  # a device or a pipe; of a folder, open tells
        data = _safetensors.to_bytes(encoder.arrays, metadata)
        with open(f, "wb") as stream:
            stream.write(data)
    else:
        write_atomically(f, lambda path: _safetensors.write_file(path, encoder.arrays, metadata))
