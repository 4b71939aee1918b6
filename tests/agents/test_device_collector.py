"""Acting on a device in static slots gives the rollouts that ordinary acting gives, and never waits for the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rlmem.acting_memories import memories_for
from rlmem.actor_critic import ActorCritic
from rlmem.agents.device_collector import DeviceCollector, collector_for, undetermined_order
from rlmem.agents.device_window import DeviceWindow
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.rollout import Collector, Rollout
from rlmem.agents.trainer import Trainer
from rlmem.envs import layout_queue
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.device_env import DeviceWordEnv
from rlmem.envs.grid_world import concatenate_layouts
from rlmem.envs.portal_vector import VectorPortalEnv
from rlmem.static_acting import has_static_form

MakePolicy = Callable[..., ActorCritic]
KINDS = ("expire_span", "transformer_xl", "adaptive_span", "compressive", "none")


def make_host(name: str, num_envs: int = 6) -> Any:
    """Short episodes: with T = 8, none, one and several are cut off in a window."""
    if name == "portal":
        return VectorPortalEnv(num_envs, 4, 3, 13)
    return VectorCorridorEnv(num_envs, 3, 4, 3 if name == "brief" else 7)


def in_queue_order(host: Any) -> Any:
    """A NumPy environment that takes its later layouts as the queue does."""
    pending: list[Any] = []

    def draw_layouts(rows: Any) -> Any:
        for _ in range(max(0, len(rows) - len(pending))):
            block = host.episodes.draw_layouts(host.np_random, layout_queue.BLOCK)
            pending.extend(block[number : number + 1] for number in range(layout_queue.BLOCK))
        return concatenate_layouts([pending.pop(0) for _ in rows])

    host._draw_layouts = draw_layouts
    return host


def assert_equal_rollouts(ours: Rollout, theirs: Rollout) -> None:
    for field in fields(Rollout):
        mine, other = getattr(ours, field.name), getattr(theirs, field.name)
        if field.name in ("state", "window"):
            mine, other = tree_leaves(vars(mine)), tree_leaves(vars(other))
        pairs = zip(mine, other, strict=True) if isinstance(mine, list | tuple) else [(mine, other)]
        for one, another in pairs:
            if isinstance(one, Tensor):
                torch.testing.assert_close(one, another, rtol=1e-5, atol=1e-6, msg=field.name)


@pytest.mark.parametrize("envs", ["corridor", "brief", "portal"])
@pytest.mark.parametrize("kind", KINDS)
def test_rollouts_equal_ordinary_acting(make_policy: MakePolicy, kind: str, envs: str) -> None:
    policy = make_policy(memory=kind, compression_rate=3, num_compressed=3)
    score = "rooms_visited" if envs == "portal" else None
    ordinary = Collector(in_queue_order(make_host(envs)), policy, 8, torch.Generator().manual_seed(1), 2, score)
    ours = DeviceCollector(DeviceWordEnv(make_host(envs), "cpu"), policy, 8, torch.Generator().manual_seed(1), 2, score)
    cuts = 0
    for _ in range(6):
        mine, other = ours.collect(), ordinary.collect()
        assert_equal_rollouts(mine, other)
        cuts += int((other.final_value != 0).sum())
        assert ours.carry(mine) == ordinary.carry(other)
        assert torch.equal(ours.is_first, ordinary.is_first)
        assert torch.equal(ours.observation[0], ordinary.observation[0])
    assert cuts > 0
    assert ours.statistics.state_dict() == ordinary.statistics.state_dict()
    assert ours.statistics.episodes > 10


def test_a_window_with_other_room_is_made_when_memories_grow_and_shrink(
    make_policy: MakePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlmem.agents.device_collector._SLOTS", 2)
    policy = make_policy(memory="transformer_xl", max_span=30)
    host = VectorCorridorEnv(4, 3, 60, 100)
    collector = DeviceCollector(DeviceWordEnv(host, "cpu"), policy, 8, torch.Generator().manual_seed(1), 2)
    ordinary = Collector(
        in_queue_order(VectorCorridorEnv(4, 3, 60, 100)), policy, 8, torch.Generator().manual_seed(1), 2
    )
    rooms = []
    for number in range(14):
        mine, other = collector.collect(), ordinary.collect()
        assert_equal_rollouts(mine, other)
        window = collector._window
        assert window is not None
        rooms.append(window.acting.num_memories)
        collector.carry(mine)
        ordinary.carry(other)
        if number == 8:
            for layer in policy.core.layer_list():
                layer.memory.max_span = 3  # type: ignore[assignment]
    assert max(rooms) > rooms[0]
    assert rooms[-1] < max(rooms)
    assert len(set(rooms)) < len(rooms)  # not in every window


def test_which_collector(make_policy: MakePolicy) -> None:
    host = make_host("corridor")
    assert collector_for(host, make_policy(), 8) is Collector
    assert collector_for(DeviceWordEnv(host, "cpu"), make_policy(), 8) is DeviceCollector
    assert not has_static_form(make_policy(memory="lstm").core, 8)
    assert has_static_form(make_policy(memory="compressive").core, 8)
    assert not has_static_form(make_policy(memory="compressive").core, 9)  # L is 8


def test_determinism_is_as_before_a_window() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with undetermined_order():
            assert not torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_training_on_a_device_resumes_to_the_bit(make_policy: MakePolicy) -> None:
    config = LearnerConfig(num_steps=8, num_minibatches=2, update_epochs=2)

    def trainer() -> Trainer:
        envs = DeviceWordEnv(make_host("corridor"), "cpu")
        return Trainer(envs, make_policy(), config, seed=3, total_timesteps=480)

    whole, first, second = trainer(), trainer(), trainer()
    for _ in range(8):
        expected = whole.iterate()
    for _ in range(4):
        first.iterate()
    second.policy.load_state_dict(first.policy.state_dict())
    second.load({name: tensor.clone() for name, tensor in first.tensors().items()}, first.state_dict())
    for _ in range(4):
        reached = second.iterate()
    np.testing.assert_equal(reached, expected)
    for name, tensor in whole.policy.state_dict().items():
        assert torch.equal(tensor, second.policy.state_dict()[name]), name


class OneDevice(TorchDispatchMode):
    """Refuses operations that a step on a GPU must not contain, on the device "meta", which holds no values.

    PyTorch itself refuses there to say what a value is (`item`, `bool`, `nonzero`, `cpu`); this refuses operations on
    tensors of two devices and copies from one to the other.
    """

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        devices = {tensor.device.type for tensor in tensors}
        assert devices <= {"meta"}, f"{function} with tensors on {devices}"
        return result


@pytest.mark.parametrize("envs", ["corridor", "portal"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_stays_on_its_device_and_waits_for_nothing(
    make_policy: MakePolicy, monkeypatch: pytest.MonkeyPatch, kind: str, envs: str
) -> None:
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)  # it knows no "meta"
    policy, host = make_policy(memory=kind), make_host(envs)
    collector = DeviceCollector(DeviceWordEnv(host, "cpu"), policy, 8, torch.Generator().manual_seed(1), 2)
    collector.carry(collector.collect())  # memories, and the tables that the environment reads
    memories, _ = memories_for(policy.core, collector.state, 8)
    device_envs: Any = collector.envs
    observation = move_to_meta(policy, device_envs, collector.observation)
    window = DeviceWindow(policy, device_envs, 64, 8, observation, None)
    noise = torch.zeros(8, 6, 4, device="meta")
    is_first = torch.zeros(6, dtype=torch.bool, device="meta")
    window.begin(_to_meta(collector.state), [_to_meta(one) for one in memories], observation, is_first, noise)
    window.step()  # as the warm-up on CUDA: makes what is made once
    with OneDevice():  # type: ignore[no-untyped-call]
        window.step()
        window.next_value()


def test_a_step_that_waits_or_leaves_its_device_is_found() -> None:
    tensor = torch.zeros(3, device="meta")
    with OneDevice():  # type: ignore[no-untyped-call]
        with pytest.raises(RuntimeError, match="meta"):
            bool((tensor > 0).any())
        with pytest.raises(AssertionError, match="cpu"):
            torch.zeros(3, 3)[torch.zeros(2, dtype=torch.int64)]
        with pytest.raises(AssertionError, match="cpu"):
            torch.zeros(3).to("meta")


def move_to_meta(policy: ActorCritic, envs: Any, observation: Any) -> Any:
    """Move everything that a step reads to the device "meta"; returns the observation there."""
    policy.to("meta")
    envs.device = torch.device("meta")
    envs._arrays = {name: array.to("meta") for name, array in envs._arrays.items()}
    envs._fresh = {name: array.to("meta") for name, array in envs._fresh.items()}
    envs._episodes.replace_arrays(envs._arrays)
    queue = envs._queue
    queue._ring = {name: values.to("meta") for name, values in queue._ring.items()}
    queue._taken = queue._taken.to("meta")
    return tuple(leaf.to("meta") for leaf in observation)


def _to_meta(state: Any) -> Any:
    """A dataclass of tensors, likewise."""
    if isinstance(state, Tensor):
        return state.to("meta")
    if isinstance(state, tuple):
        return tuple(map(_to_meta, state))
    return None if state is None else type(state)(**{name: _to_meta(value) for name, value in vars(state).items()})
