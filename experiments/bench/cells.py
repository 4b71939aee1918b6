"""What one process measures: a batch environment, an agent, or a language model, each at certain sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from rlmem.agents.learner_config import Algorithm
from rlmem.errors import check
from rlmem.experiments.device import Device
from rlmem.experiments.lm.bench_worker import Work
from rlmem.experiments.lm.presets import find_preset as find_language_preset
from rlmem.experiments.presets import find_preset
from rlmem.experiments.tasks import CorridorOptions
from rlmem.experiments.train_config import TrainConfig
from rlmem.model_config import MemoryKind

_STILL = 1e-9  # a learning rate at which nothing moves, so that every window has the same work
_ENDLESS = CorridorOptions(min_length=200, max_length=200, max_episode_steps=10**6)


@dataclass(frozen=True)
class EnvironmentCell:
    """A batch environment alone, with random actions.

    Args:
        task: a name of `TASKS`.
        num_envs: environments in the batch.
        steps: of each repeat.
    """

    task: str
    num_envs: int
    steps: int

    @property
    def figure(self) -> str:
        """Name of its only figure, in steps/s."""
        return f"environment {self.task} x{self.num_envs}"


@dataclass(frozen=True)
class AgentCell:
    """Corridor's agent, acting and learning with Expire-Span; spans stay where they begin.

    Args:
        algorithm: A2C makes one pass over a window, PPO the preset's epochs.
        num_envs: environments played at once.
        num_steps: T, steps of a window.
        live: how many memories a query sees beside its own step, once its episode is as old.
        max_span: L, in steps.
        is_endless: episodes do not end, so that every query sees as many; else they are the preset's.
        only_acts: nothing is learned.
    """

    algorithm: Algorithm
    num_envs: int = 64
    num_steps: int = 100
    live: int = 25
    max_span: int = 256
    is_endless: bool = False
    only_acts: bool = False

    @property
    def sizes(self) -> str:
        """As they stand in the figures' names."""
        ends = " endless" if self.is_endless else ""
        return f"{self.num_envs}x{self.num_steps} live {self.live} L {self.max_span}{ends}"

    def figure(self, part: str) -> str:
        """Name of a figure: `acting`, `learning` and `training` in steps/s, `peak memory` in MiB."""
        return f"{part}{'' if part == 'acting' else f' {self.algorithm}'} {self.sizes}"

    def config(self, device: Device) -> TrainConfig:
        """The plain preset at these sizes.

        Raises:
            UsageError: they cannot be.
        """
        config = find_preset("corridor")
        return replace(
            config,
            environment=_ENDLESS if self.is_endless else config.environment,
            run=replace(config.run, num_envs=self.num_envs, device=device, total_timesteps=10**9),
            learner=replace(
                config.learner,
                algorithm=self.algorithm,
                num_steps=self.num_steps,
                num_minibatches=min(config.learner.num_minibatches, self.num_envs),
                learning_rate=_STILL,
                span_cost=0.0,
            ),
            model=replace(
                config.model,
                position_reach=self.num_steps,
                max_span=self.max_span,
                initial_span_fraction=(_fraction(self.live, config.model.ramp, self.max_span),),
            ),
        )


@dataclass(frozen=True)
class LanguageCell:
    """A language model of enwik8's small preset on made-up symbols; spans stay where they begin.

    Args:
        memory: Expire-Span, or Transformer-XL, whose L is then `live`.
        live: how many memories a query sees beside its own symbol.
        max_span: L, in symbols.
    """

    memory: MemoryKind
    live: int = 128
    max_span: int = 1024

    def figure(self, part: str) -> str:
        """Name of a figure: `lm` in tokens/s, `lm peak memory` in MiB."""
        learner = find_language_preset("enwik8").learner
        return f"{part} {self.memory} {learner.batch}x{learner.block} live {self.live} L {self.max_span}"

    def work(self, device: Device, threads: int, repeats: int) -> Work:
        """For the process that measures it."""
        config = find_language_preset("enwik8")
        fraction = _fraction(self.live, config.model.ramp, self.max_span)
        model = replace(config.model, memory=self.memory, max_span=self.max_span, initial_span_fraction=(fraction,))
        return Work(
            device, repeats, threads, model=asdict(model), batch=config.learner.batch, block=config.learner.block
        )


def _fraction(live: int, ramp: int, max_span: int) -> float:
    """The initial span, as a share of L, with which a query sees that many memories: those younger than span + ramp.

    Raises:
        UsageError: the ramp alone shows more of them, or L is too short.
    """
    span = live + 0.5 - ramp
    check(0 < span < max_span, f"{live} live memories cannot be, with a ramp of {ramp} and L = {max_span}")
    return span / max_span


Cell = EnvironmentCell | AgentCell | LanguageCell

_KINDS: dict[str, type[EnvironmentCell | AgentCell]] = {"environment": EnvironmentCell, "agent": AgentCell}


def cell_to_json(cell: EnvironmentCell | AgentCell) -> dict[str, Any]:
    """For another process."""
    return {"kind": "environment" if isinstance(cell, EnvironmentCell) else "agent", **asdict(cell)}


def cell_from_json(data: dict[str, Any]) -> EnvironmentCell | AgentCell:
    """What `cell_to_json` gave."""
    return _KINDS[data["kind"]](**{name: value for name, value in data.items() if name != "kind"})
