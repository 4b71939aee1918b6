"""Environments on a device equal the NumPy ones; here the device is the CPU, which runs the same code on tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded

from rlmem.envs import layout_queue
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.device_env import DeviceWordEnv
from rlmem.envs.grid_world import EAST, NORTH, WEST, IntArray, concatenate_layouts
from rlmem.envs.portal_specification import right_doors
from rlmem.envs.portal_vector import VectorPortalEnv
from rlmem.envs.word_vector_env import VectorWordEnv
from rlmem.errors import UsageError

Maker = Callable[[int], VectorWordEnv[Any]]
_CASES: list[tuple[Maker, int]] = [
    (lambda num: VectorCorridorEnv(num, 3, 5, 9), 600),
    (lambda num: VectorCorridorEnv(num, 3, 3, 2), 60),  # a truncation every two steps, no end by itself
    (lambda num: VectorCorridorEnv(num, 3, 200, 1000), 1100),
    (lambda num: VectorPortalEnv(num, 4, 3, 23), 600),
    (lambda num: VectorPortalEnv(num, 2, 5, None), 300),
    (lambda num: VectorPortalEnv(num), 1100),
]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_queue, "BLOCK", 8)  # so that the ring is gone round


def in_queue_order(host: VectorWordEnv[Any]) -> VectorWordEnv[Any]:
    """A NumPy environment that takes its later layouts as the queue does, one after the other from blocks."""
    pending: list[Any] = []

    def draw_layouts(rows: IntArray) -> Any:
        taken = []
        for _ in rows:
            if not pending:
                block = host.episodes.draw_layouts(host.np_random, layout_queue.BLOCK)
                pending.extend(block[number : number + 1] for number in range(layout_queue.BLOCK))
            taken.append(pending.pop(0))
        return concatenate_layouts(taken)

    host._draw_layouts = draw_layouts  # type: ignore[method-assign]
    return host


def draw_actions(generator: np.random.Generator, env: VectorWordEnv[Any]) -> IntArray:
    """Half wander; of the others, Corridor's go east and try doors, Portal's mostly take the right ones."""
    wander = generator.integers(4, size=env.num_envs)
    if isinstance(env, VectorCorridorEnv):
        purposeful = np.where(generator.random(env.num_envs) < 0.8, EAST, NORTH)
    else:
        rows, rooms = np.arange(env.num_envs), env.episodes.state_arrays()["room"]
        known = right_doors(
            env.episodes.layouts.west_colour[rows, rooms], env.episodes.layouts.right_colour[rows, rooms]
        )
        purposeful = np.where(generator.random(env.num_envs) < 0.05, WEST, known)
    return np.where(rows_below_half(env.num_envs), wander, purposeful)


def rows_below_half(num_envs: int) -> Any:
    return np.arange(num_envs) < num_envs // 2


def assert_equal_steps(ours: Any, theirs: Any) -> int:
    """Compare what two steps returned; returns how many episodes ended."""
    for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert mine.numpy().dtype == other.dtype
        assert np.array_equal(mine.numpy(), other)
    ended = theirs[2] | theirs[3]
    assert np.array_equal(ours[-1]["_final_obs"].numpy(), ended)
    if ended.any():
        assert np.array_equal(ours[-1]["final_obs"].numpy()[ended], theirs[-1]["final_obs"][ended])
        for name, values in theirs[-1]["final_info"].items():
            assert np.array_equal(ours[-1]["final_info"][name].numpy(), values), name
    return int(ended.sum())


@pytest.mark.parametrize(("make", "num_steps"), _CASES)
def test_equal_to_the_numpy_environment(make: Maker, num_steps: int) -> None:
    reference, batch = in_queue_order(make(12)), DeviceWordEnv(make(12), "cpu")
    generator, num_ended = np.random.default_rng(0), 0
    theirs, _ = reference.reset(seed=3)
    ours, _ = batch.reset(seed=3)
    assert np.array_equal(ours.numpy(), theirs)
    for step in range(num_steps):
        if step % 10 == 0:
            batch.prepare(10)
        actions = draw_actions(generator, reference)
        num_ended += assert_equal_steps(batch.advance(torch.as_tensor(actions)), reference.step(actions))
    assert num_ended > 10


@pytest.mark.parametrize("make", [_CASES[0][0], _CASES[3][0]])
def test_goes_on_from_a_saved_state(make: Maker) -> None:
    batch, generator = DeviceWordEnv(make(6), "cpu"), np.random.default_rng(0)
    actions = torch.as_tensor(generator.integers(4, size=(200, 6)))
    batch.reset(seed=1)
    for action in actions[:90]:
        batch.step(action)
    saved = json.loads(json.dumps(batch.state_dict(), default=lambda array: array.tolist()))
    other = DeviceWordEnv(make(6), "cpu")
    other.load_state_dict(saved)
    assert saved["layouts_taken"] > 0  # the queue stood inside a block
    for action in actions[90:]:
        ours, theirs = other.step(action), batch.step(action)
        assert all(torch.equal(one, another) for one, another in zip(ours[:4], theirs[:4], strict=True))


def test_takes_up_a_numpy_environment() -> None:
    host, batch = VectorCorridorEnv(4, 5, 9), DeviceWordEnv(VectorCorridorEnv(4, 5, 9), "cpu")
    host.reset(seed=2)
    host.step(np.full(4, EAST))
    batch.load_state_dict(host.state_dict())
    for _ in range(3):  # before any end
        assert_equal_steps(batch.step(torch.full((4,), EAST)), host.step(np.full(4, EAST)))


def test_the_tensors_that_are_read_stay_the_same() -> None:
    batch = DeviceWordEnv(VectorCorridorEnv(4, 3, 3), "cpu")
    batch.reset(seed=0)
    batch.prepare(20)
    queue: Any = batch._queue
    saved = batch.state_dict()
    before = {
        **batch._arrays,
        **{f"ring {name}": values for name, values in queue._ring.items()},
        "taken": queue._taken,
    }
    for _ in range(50):
        batch.prepare(20)
        for action in (EAST, EAST, NORTH):
            batch.advance(torch.full((4,), action))
    after = {**batch._arrays, **{f"ring {name}": values for name, values in queue._ring.items()}, "taken": queue._taken}
    assert all(after[name] is before[name] for name in before)
    assert int(queue._taken) == 200
    batch.reset(seed=1)
    batch.load_state_dict(saved)
    batch.prepare(20)
    assert batch._queue is queue
    assert all(queue._ring[name] is before[f"ring {name}"] for name in queue._ring)


def test_resets_some_rows_with_forced_layouts_and_draws() -> None:
    batch = DeviceWordEnv(VectorCorridorEnv(3, 3, 9, render_mode="rgb_array"), "cpu")
    batch.reset(seed=0)
    batch.step(torch.full((3,), EAST))
    mask = np.array([False, True, False])
    _, infos = batch.reset(options={"length": 7, "reset_mask": mask})
    state = batch.state_dict()
    assert state["columns"].tolist() == [1, 0, 1]
    assert state["length"][1] == 7
    assert infos["_length"].tolist() == mask.tolist()
    frames = batch.render()
    assert frames is not None
    assert len(frames) == 3


def test_wrong_use_is_refused() -> None:
    batch = DeviceWordEnv(VectorCorridorEnv(3), "cpu")
    with pytest.raises(ResetNeeded, match="call reset"):
        batch.step(torch.zeros(3, dtype=torch.int64))
    batch.reset(seed=0)
    with pytest.raises(UsageError, match=r"shape \(4,\)"):
        batch.step(torch.zeros(4, dtype=torch.int64))
    with pytest.raises(UsageError, match="float32"):
        batch.step(torch.zeros(3))
