"""Which runs a comparison is made of: kinds of memory, sizes and seeds, over one configuration.

A kind is written `KIND[:SIZES][@SEEDS]`, sizes and seeds with commas between:

    expire_span                   at the preset's L, with the seeds of --seeds
    transformer_xl:5,10,20@1      at three values of L, with seed 1 alone
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any, get_args

from rlmem.errors import UsageError, check
from rlmem.experiments.matched_width import count_parameters, match_width
from rlmem.experiments.train_config import TrainConfig
from rlmem.model_config import RECURRENT_KINDS, MemoryKind

KINDS: tuple[MemoryKind, ...] = get_args(MemoryKind)
WITHOUT_SIZE: tuple[MemoryKind, ...] = (*RECURRENT_KINDS, "none")
"""Kinds whose memory has no L."""


@dataclass(frozen=True)
class Variant:
    """A kind of memory as asked for.

    Args:
        kind: of memory.
        sizes: values of L, in steps; empty takes the configuration's.
        seeds: of its own; None takes those of all kinds.
    """

    kind: MemoryKind
    sizes: tuple[int, ...] = ()
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One run of a comparison.

    Args:
        name: of its folder.
        size: L, in steps; None for kinds without.
        config: what is trained.
        parameters: of the policy.
    """

    name: str
    size: int | None
    config: TrainConfig
    parameters: int

    @property
    def kind(self) -> MemoryKind:
        """The kind of memory."""
        return self.config.model.memory

    @property
    def num_steps(self) -> int:
        """Environment steps to the end, which are whole windows."""
        window = self.config.run.num_envs * self.config.learner.num_steps
        return -(-self.config.run.total_timesteps // window) * window


def read_variant(text: str) -> Variant:
    """What `KIND[:SIZES][@SEEDS]` asks for.

    Raises:
        UsageError: the kind is unknown or has no size, or a size or seed cannot be.
    """
    rest, has_seeds, seeds = text.partition("@")
    name, has_sizes, sizes = rest.partition(":")
    if name not in KINDS:
        near = get_close_matches(name, KINDS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"--kinds {text}: the memory kind {name!r} is unknown; {hint}choose from {', '.join(KINDS)}")
    check(
        not (has_sizes and name in WITHOUT_SIZE),
        f"--kinds {text}: the kind {name} has no memory size; write {name}{has_seeds}{seeds}",
    )
    return Variant(
        kind=next(kind for kind in KINDS if kind == name),
        sizes=_numbers(sizes, 1, f"--kinds {text}: the memory size") if has_sizes else (),
        seeds=_numbers(seeds, 0, f"--kinds {text}: the seed") if has_seeds else None,
    )


def plan_runs(
    base: TrainConfig, variants: Sequence[Variant], seeds: Sequence[int], *, match_parameters: bool
) -> list[PlannedRun]:
    """The runs, in the order asked for.

    Args:
        base: what all runs share; its memory, L and seed are replaced. Its device and threads are decided.
        variants: kinds, with their sizes.
        seeds: for kinds without seeds of their own.
        match_parameters: give LSTM and GRU the width at which they are as large as the Transformer.

    Raises:
        UsageError: there are no seeds, or a run is asked for twice, or cannot be.
    """
    target = count_parameters(_with_memory(base, "transformer_xl", base.model.max_span))
    runs: dict[str, PlannedRun] = {}
    for variant in variants:
        own_seeds = seeds if variant.seeds is None else variant.seeds
        check(bool(own_seeds), f"the kind {variant.kind} has no seeds; give --seeds 1 2 3, or write {variant.kind}@1,2")
        for size in variant.sizes or (None if variant.kind in WITHOUT_SIZE else base.model.max_span,):
            config = _with_memory(base, variant.kind, size)
            if match_parameters and variant.kind in RECURRENT_KINDS:
                config = match_width(config, target)
            parameters = count_parameters(config)
            for seed in own_seeds:
                name = run_name(variant.kind, size, seed)
                run = PlannedRun(name, size, replace(config, run=replace(config.run, seed=seed)), parameters)
                check(run.name not in runs, f"the run {run.name} is asked for twice; name each size and seed once")
                runs[run.name] = run
    return list(runs.values())


def run_name(kind: str, size: int | None, seed: int) -> str:
    """The folder of a run, such as `transformer_xl-L20-s1` or `lstm-s1`."""
    return f"{kind}{'' if size is None else f'-L{size}'}-s{seed}"


def as_json(config: TrainConfig) -> dict[str, Any]:
    """The configuration as it is read back from a file: lists where there were tuples."""
    plain: dict[str, Any] = _plain(config.to_json())
    return plain


def config_difference(config: TrainConfig, base: TrainConfig) -> dict[str, Any]:
    """The values of a configuration that differ from another's, by names such as `model.max_span`."""
    found: dict[str, Any] = {}
    for section in fields(config):
        ours, theirs = getattr(config, section.name), getattr(base, section.name)
        if is_dataclass(ours):
            values = {name: value for name, value in vars(ours).items() if value != getattr(theirs, name)}
            found |= {f"{section.name}.{name}": _plain(value) for name, value in values.items()}
    return found


def _plain(value: Any) -> Any:
    """A value as it is read back from JSON."""
    return json.loads(json.dumps(value))


def _with_memory(base: TrainConfig, kind: MemoryKind, size: int | None) -> TrainConfig:
    model = replace(base.model, memory=kind, max_span=base.model.max_span if size is None else size)
    return replace(base, model=model)


def _numbers(text: str, least: int, what: str) -> tuple[int, ...]:
    numbers = []
    for word in text.split(","):
        check(word.isdecimal(), f"{what} {word!r} is no whole number; write them like 5,10,20")
        check(int(word) >= least, f"{what} is {word}, but it must be at least {least}")
        numbers.append(int(word))
    return tuple(numbers)
