"""What became of the samples of one name, counted, with the reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

KINDS = ("modules", "ops", "optimizers")


@dataclass
class Outcome:
    """One line of the table. ``failures`` and ``left_out`` count reasons; every sample is in exactly one count."""

    kind: str
    name: str
    offered: bool = True
    passed: int = 0
    failed: int = 0
    errors_passed: int = 0  # error inputs that fastnn refuses as PyTorch does
    errors_failed: int = 0
    forms_passed: int = 0  # method and in-place forms of the same samples
    forms_failed: int = 0
    second_passed: int = 0  # samples whose second derivative was compared too
    second_refused: int = 0  # samples whose second derivative raises NotImplementedError, where that is allowed
    random: int = 0  # samples of which shape and dtype alone were compared
    left_out: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def fail(self, reason: str, example: str) -> None:
        """Count a reason, keeping the first sample that shows it."""
        self.failures[reason] += 1
        self.examples.setdefault(reason, example)

    @property
    def clean(self) -> bool:
        return self.offered and not (self.failed or self.errors_failed or self.forms_failed)
