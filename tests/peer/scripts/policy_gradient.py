"""Reinforcement learning: REINFORCE with a baseline on a cart that has to keep a pole upright, written out here."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np

from .common import fill


class Cart:
    """A pole on a cart (Barto, Sutton and Anderson 1983), by Euler's method; done when it falls or leaves."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def reset(self) -> Any:
        self.state = self.rng.uniform(-0.05, 0.05, 4)
        return self.state.astype(np.float32)

    def step(self, action: int) -> tuple[Any, float, bool]:
        _, v, angle, spin = self.state
        force = 10.0 if action == 1 else -10.0
        sin, cos = math.sin(angle), math.cos(angle)
        push = (force + 0.05 * spin**2 * sin) / 1.1
        turn = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        go = push - 0.05 * turn * cos / 1.1
        self.state = self.state + 0.02 * np.array([v, go, spin, turn])
        fallen = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.2095
        return self.state.astype(np.float32), 1.0, bool(fallen)


def train(torch: Any, episodes: int = 22) -> list[float]:
    nn, F = torch.nn, torch.nn.functional

    class Policy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.affine1 = nn.Linear(4, 32)
            self.action_head = nn.Linear(32, 2)
            self.value_head = nn.Linear(32, 1)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.affine1(x))
            return F.log_softmax(self.action_head(x), dim=-1), self.value_head(x)

    policy = Policy()
    fill(torch, policy)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    env, chance = Cart(6), np.random.default_rng(7)
    eps = np.finfo(np.float32).eps.item()
    losses = []
    for _ in range(episodes):
        state, taken, rewards = env.reset(), [], []
        for _ in range(60):
            log_probs, value = policy(torch.from_numpy(state))
            action = int(chance.random() > math.exp(log_probs[0].item()))
            state, reward, done = env.step(action)
            taken.append((log_probs[action], value))
            rewards.append(reward)
            if done:
                break
        R, returns = 0.0, deque()  # type: ignore[var-annotated]
        for r in rewards[::-1]:
            R = r + 0.99 * R
            returns.appendleft(R)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + eps)
        policy_losses, value_losses = [], []
        for (log_prob, value), R in zip(taken, returns, strict=True):
            advantage = R - value.item()
            policy_losses.append(-log_prob * advantage)
            value_losses.append(F.smooth_l1_loss(value, R.reshape(1)))
        optimizer.zero_grad()
        loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
