"""amp: autocast that is disabled or refuses, GradScaler in full, and PyTorch's scaler beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn


def _run(fw: Any, losses: list[float], **options: Any) -> tuple[list[float], list[float], dict[str, Any]]:
    """Weights and scales after each step of SGD on w * loss."""
    w = fw.tensor([1.0], requires_grad=True)
    optimizer = fw.optim.SGD([w], lr=0.5)
    scaler = fw.amp.GradScaler("cpu", **options)
    weights, scales = [], []
    for loss in losses:
        optimizer.zero_grad()
        scaler.scale((w * loss).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        weights.append(float(w.detach()[0]))
        scales.append(scaler.get_scale())
    return weights, scales, scaler.state_dict()


LOSSES = [1.0, float("inf"), 0.5, 0.25, float("nan"), 1.0, 1.0, 1.0]
OPTIONS = {"init_scale": 1024.0, "growth_interval": 2}


def test_a_step_with_infinite_gradients_is_left_out_and_the_scale_follows() -> None:
    weights, scales, state = _run(fastnn, LOSSES, **OPTIONS)
    assert weights == [0.5, 0.5, 0.25, 0.125, 0.125, -0.375, -0.875, -1.375]
    assert scales == [1024.0, 512.0, 512.0, 1024.0, 512.0, 512.0, 1024.0, 1024.0]
    assert (state["scale"], state["_growth_tracker"]) == (1024.0, 1)


@pytest.mark.peer
def test_the_scaler_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    assert _run(fastnn, LOSSES, **OPTIONS) == _run(torch, LOSSES, **OPTIONS)


def test_unscaled_gradients_can_be_clipped_and_the_order_is_checked() -> None:
    w = fastnn.tensor([2.0], requires_grad=True)
    optimizer = fastnn.optim.SGD([w], lr=1.0)
    scaler = fastnn.amp.GradScaler("cpu")
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
    scaler.scale((w * 3).sum()).backward()
    scaler.unscale_(optimizer)
    np.testing.assert_array_equal(w.grad.numpy(), [3.0])  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called since"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="Closure"):
        scaler.step(optimizer, closure=lambda: None)
    assert w.tolist() == [-1.0]


def test_state_goes_over_and_wrong_factors_are_refused() -> None:
    first, second = fastnn.amp.GradScaler("cpu", init_scale=8.0), fastnn.amp.GradScaler("cpu")
    second.load_state_dict(first.state_dict())
    assert second.get_scale() == 8.0
    with pytest.raises(RuntimeError, match="empty"):
        second.load_state_dict({})
    for options in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
        with pytest.raises(AssertionError, match="factor must be"):
            fastnn.amp.GradScaler("cpu", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [lambda: fastnn.amp.GradScaler(), lambda: fastnn.cuda.amp.GradScaler()])
def test_for_a_gpu_it_is_disabled_and_steps(make: Any) -> None:
    with pytest.warns(UserWarning, match="not available"):
        scaler = make()
    w = fastnn.tensor([2.0], requires_grad=True)
    optimizer = fastnn.optim.SGD([w], lr=1.0)
    loss = (w * 3).sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert (w.tolist(), scaler.get_scale(), scaler.is_enabled(), scaler.state_dict()) == ([-1.0], 1.0, False, {})


def test_autocast_does_nothing_for_a_gpu_or_disabled_and_refuses_the_cpu() -> None:
    x = fastnn.ones(2, 2)
    with pytest.warns(UserWarning, match="'cuda'.*Disabling"):
        context = fastnn.autocast("cuda", dtype=fastnn.float16)
    with context:
        assert (x @ x).dtype == fastnn.float32
    with fastnn.amp.autocast("cpu", enabled=False), fastnn.cuda.amp.autocast(enabled=False):
        assert (x @ x).dtype == fastnn.float32

    @fastnn.autocast("cpu", enabled=False)
    def double(value: fastnn.Tensor) -> fastnn.Tensor:
        return value * 2

    assert double(x).tolist() == [[2.0, 2.0], [2.0, 2.0]]
    with pytest.raises(NotImplementedError, match="enabled=True"):
        fastnn.autocast("cpu")
    with pytest.raises(ValueError, match="device_type"):
        fastnn.autocast(1)  # type: ignore[arg-type]
    assert not fastnn.amp.is_autocast_available("cpu")


def test_summary_writer(tmp_path: Any) -> None:
    pytest.importorskip("tensorboardX")
    from fastnn.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.5, 1)
    assert any(tmp_path.iterdir())
