"""The other optimizers by name, and clipping of gradients: one call for all arrays."""

from __future__ import annotations

from collections.abc import Sequence

from .types import Array

# d = (-grad if maximize else grad) + weight_decay * p; with options[3] not 0 ("decoupled") the decay is left out of d
# and p *= 1 - lr * weight_decay instead. A decay of 0 is left out. f: the parameter's factors, o: the options.
RULES = {
    "rmsprop": "o = (alpha, eps, momentum); a = alpha * a + (1 - alpha) * d**2; with third: c += (1 - alpha) * (d - c);"
    " u = d / (sqrt(a - c**2) + eps), c**2 left out without it; with second: b = u = momentum * b + u; p -= lr * u",
    "adagrad": "o = (eps,); a += d**2; p -= f0 * d / (sqrt(a) + eps)",
    "adadelta": "o = (rho, eps); a = rho * a + (1 - rho) * d**2; u = d * sqrt(b + eps) / sqrt(a + eps);"
    " b = rho * b + (1 - rho) * u**2; p -= lr * u",
    "adamax": "o = (beta1, beta2, eps); a += (1 - beta1) * (d - a); b = max(beta2 * b, |d| + eps); p -= f0 * a / b",
    "nadam": "o = (beta1, beta2, eps); a += (1 - beta1) * (d - a); b = beta2 * b + (1 - beta2) * d**2;"
    " p -= (f0 * d + f1 * a) / (sqrt(b * f2) + eps)",
    "radam": "o = (beta1, beta2, eps); a and b as nadam; p -= f0 * a / (sqrt(b) + eps) where f1 is not 0, else f0 * a",
    "lion": "o = (beta1, beta2); p -= lr * sign(beta1 * a + (1 - beta1) * d); a = beta2 * a + (1 - beta2) * d",
}
# How many of the states a = first, b = second, c = third each must have, and may have.
RULE_STATES = {
    "rmsprop": (1, 3),
    "adagrad": (1, 1),
    "adadelta": (2, 2),
    "adamax": (2, 2),
    "nadam": (2, 2),
    "radam": (2, 2),
    "lion": (1, 1),
}


def rule_step(
    rule: str,
    params: Sequence[Array],
    grads: Sequence[Array],
    first: Sequence[Array] | None,
    second: Sequence[Array] | None,
    third: Sequence[Array] | None,
    factors: Array,
    lr: float,
    weight_decay: float,
    options: Sequence[float],
    maximize: bool,
) -> None:
    """One step of every parameter by the rule that RULES names. Lists of equal length, as in sgd_step.

    factors: (number of parameters, 3) float64, what depends on a parameter's step count; options: 4 numbers.
    """
    raise NotImplementedError


def gradient_norm(grads: Sequence[Array], order: float) -> float:
    """The norm of all elements of all arrays together, of order 1, 2 or inf; summed in float64, NaN kept."""
    raise NotImplementedError


def scale_gradients(grads: Sequence[Array], factor: float, limit: float) -> None:
    """Each array times factor, then within [-limit, limit], in place; NaN is kept."""
    raise NotImplementedError
