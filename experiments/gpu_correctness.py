"""What a GPU computes, beside what a CPU computes in float64; and whether it does the same twice."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.agents.device_collector import DeviceCollector
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.rollout import Rollout
from rlmem.agents.trainer import Trainer
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.device_env import DeviceWordEnv
from rlmem.envs.portal_vector import VectorPortalEnv
from rlmem.make_core import make_core
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.window import Window

KINDS: tuple[MemoryKind, ...] = ("expire_span", "transformer_xl", "adaptive_span", "compressive", "none")
TOLERANCE = 1e-4
"""of float32, relative to the largest value; TF32 and bfloat16 are reported and held to nothing"""
_NUM_STEPS = 20

MakeEnvs = Callable[[int], Any]


def check_correctness(device: torch.device) -> dict[str, Any]:
    """All checks; every one ends in a largest relative difference or in a truth.

    Args:
        device: that is held against the CPU.

    Returns:
        Results by name, and `passed`: every difference is below `TOLERANCE` and every truth holds.
    """
    results: dict[str, Any] = {
        f"{kind}_{name}": value for kind in KINDS for name, value in of_kind(kind, device).items()
    }
    results["fused_attention"] = of_fused_attention(device)
    results["environments_equal"] = all(environments_equal(make, device) for make in (_corridors, _portals))
    results["graph_equals_eager"] = graph_equals_eager(device)
    results["resume_exact"], notes = resume_exact(device)
    passed = all(value if isinstance(value, bool) else value < TOLERANCE for value in results.values())
    results["tf32_difference"] = of_tf32(device)
    return {**results, "warnings": notes, "passed": passed}


def _corridors(num_envs: int) -> VectorCorridorEnv:
    return VectorCorridorEnv(num_envs, 3, 12, 30)


def _portals(num_envs: int) -> VectorPortalEnv:
    return VectorPortalEnv(num_envs, 5, 3, 40)


def make_small_policy(kind: MemoryKind, device: torch.device) -> ActorCritic:
    """A policy whose spans differ, so that memories fade and die; its weights are the same on every device."""
    torch.manual_seed(1)
    envs = _corridors(1)
    config = ModelConfig(memory=kind, max_span=30, ramp=8, position_reach=_NUM_STEPS, compression_rate=4)
    policy = ActorCritic(config, envs.single_observation_space, envs.single_action_space)
    with torch.no_grad():
        policy.heads.weight.normal_(std=0.1)
        for layer in policy.core.layer_list():
            for parameter in layer.memory.parameters():
                parameter.add_(torch.randn(parameter.shape))
    return policy.to(device)


def make_collector(policy: ActorCritic, device: torch.device, num_envs: int = 32) -> DeviceCollector:
    """Acts in short corridors on a device."""
    generator = torch.Generator(device).manual_seed(1)
    return DeviceCollector(DeviceWordEnv(_corridors(num_envs), device), policy, _NUM_STEPS, generator, 1)


def of_kind(kind: MemoryKind, device: torch.device) -> dict[str, float]:
    """Relative differences of acting, forward pass and gradients of a kind of memory, from float64 on the CPU."""
    policy = make_small_policy(kind, device)
    collector = make_collector(policy, device)
    collector.carry(collector.collect())  # so that there are memories
    rollout = collector.collect()
    exact = copy.deepcopy(policy).cpu().double()
    outputs, gradients = outputs_and_gradients(policy, rollout)
    right_outputs, right_gradients = outputs_and_gradients(exact, moved(rollout, torch.device("cpu"), torch.float64))
    acted = torch.cat([rollout.action_outputs, rollout.value[..., None]], dim=2).transpose(0, 1)
    return {
        "acting": difference(acted, right_outputs),
        "forward": difference(outputs, right_outputs),
        "gradients": difference(gradients, right_gradients),
    }


def outputs_and_gradients(policy: ActorCritic, rollout: Rollout) -> tuple[Tensor, Tensor]:
    """The policy's outputs over a rollout's window, (batch, query, outputs + 1), and a loss's gradients, flattened."""
    observation = tuple(leaf.transpose(0, 1) for leaf in rollout.observation)
    output = policy(observation, rollout.state, rollout.window)
    everything = torch.cat([output.action_outputs, output.value[..., None]], dim=2)
    loss = everything.square().mean() + 0.01 * policy.core.auxiliary_loss(output.traces, rollout.window)
    learned = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, learned, allow_unused=True)
    return everything.detach(), torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


def of_fused_attention(device: torch.device) -> float:
    """Largest relative difference of a long memory's layer, its gradients included."""
    config = ModelConfig(
        num_layers=1, max_span=512, ramp=32, position_reach=64, initial_span_fraction=(0.1,), fused=True
    )
    torch.manual_seed(1)
    core = make_core(config)
    state, inputs = long_memory(config, 4, 512), torch.randn(4, 64, config.model)
    weights = torch.randn(4, 64, config.model)
    results = []
    for dtype, where in ((torch.float32, device), (torch.float64, torch.device("cpu"))):
        model = copy.deepcopy(core).to(where, dtype)
        there = moved(state, where, dtype)
        window = Window.following(there, torch.zeros(4, 64, dtype=torch.bool, device=where))
        hidden = model(inputs.to(where, dtype), there, window).hidden
        gradients = torch.autograd.grad(
            (hidden * weights.to(hidden)).sum(), list(model.parameters()), allow_unused=True
        )
        parts = [hidden.detach(), *(gradient for gradient in gradients if gradient is not None)]
        results.append(parts)
    return max(difference(mine, right) for mine, right in zip(*results, strict=True))


def long_memory(config: ModelConfig, batch: int, num_slots: int) -> MemoryState:
    """A state whose rows hold the last `num_slots` steps of a long episode, in every layer, on the CPU."""
    hidden = torch.randn(batch, num_slots, config.model)
    layer = LayerMemory(hidden, torch.arange(num_slots).expand(batch, -1).contiguous())
    next_time = torch.full((batch,), num_slots)
    return MemoryState((layer,) * config.num_layers, next_time, torch.zeros_like(next_time))


def environments_equal(make: MakeEnvs, device: torch.device) -> bool:
    """Whether environments on the device give to the bit what they give on the CPU, for the same actions."""
    there, here = (DeviceWordEnv(make(64), place) for place in (device, "cpu"))
    actions = torch.randint(4, (300, 64), generator=torch.Generator().manual_seed(1))
    is_equal = torch.equal(there.reset(seed=1)[0].cpu(), here.reset(seed=1)[0])
    for action in actions:
        ours, theirs = there.step(action.to(device)), here.step(action)
        is_equal &= all(torch.equal(one.cpu(), other) for one, other in zip(ours[:4], theirs[:4], strict=True))
    return is_equal


def graph_equals_eager(device: torch.device) -> bool:
    """Whether three windows acted by a CUDA graph are, to the bit, those that Python acts step by step."""
    policy = make_small_policy("expire_span", device)
    graph, eager = (make_collector(policy, device) for _ in range(2))
    eager.act_by(is_captured=False)
    is_equal = True
    for _ in range(3):
        ours, theirs = graph.collect(), eager.collect()
        is_equal &= torch.equal(ours.action, theirs.action) and torch.equal(ours.value, theirs.value)
        is_equal &= torch.equal(ours.final_value, theirs.final_value)
        graph.carry(ours)
        eager.carry(theirs)
    return is_equal


def resume_exact(device: torch.device) -> tuple[bool, list[str]]:
    """Whether four turns of training are to the bit two turns, a new trainer and two more; what PyTorch warns of."""

    def trainer() -> Trainer:
        policy, config = make_small_policy("expire_span", device), LearnerConfig(num_steps=_NUM_STEPS, update_epochs=2)
        envs = DeviceWordEnv(_corridors(32), device)
        return Trainer(envs, policy, config, seed=1, total_timesteps=10**6, device=device)

    whole, first, second = trainer(), trainer(), trainer()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(4):
            whole.iterate()
        for _ in range(2):
            first.iterate()
        second.policy.load_state_dict(first.policy.state_dict())
        second.load({name: tensor.clone() for name, tensor in first.tensors().items()}, first.state_dict())
        for _ in range(2):
            second.iterate()
    weights = zip(whole.policy.state_dict().values(), second.policy.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in weights), sorted({str(one.message) for one in said})


def of_tf32(device: torch.device) -> float:
    """Relative difference of the forward pass with matrix products in TF32, spans in float32."""
    policy = make_small_policy("expire_span", device)
    rollout = make_collector(policy, device).collect()
    right, _ = outputs_and_gradients(policy, rollout)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        return difference(outputs_and_gradients(policy, rollout)[0], right)
    finally:
        torch.set_float32_matmul_precision(before)


def difference(ours: Tensor, right: Tensor) -> float:
    """The largest absolute difference over the largest right value; NaN counts as infinite."""
    gap = (ours.cpu().double() - right.cpu().double()).abs().max() / right.abs().max().cpu()
    return float(gap.nan_to_num(torch.inf))


def moved(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Tensors, and tuples and dataclasses of them, on a device; floats as `dtype`."""
    if isinstance(value, Tensor):
        return value.to(device, dtype if value.is_floating_point() else None)
    if isinstance(value, tuple):
        return tuple(moved(one, device, dtype) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: moved(getattr(value, one.name), device, dtype) for one in fields(value)})
    return value
