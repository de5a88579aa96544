"""Where PyTorch has ``collate`` and ``default_collate_fn_map``, which code that adds types to it imports from here."""

from __future__ import annotations

from fastnn.utils.data._utils import collate as collate
