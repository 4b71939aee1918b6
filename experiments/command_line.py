"""A run's configuration as the command that makes it."""

from __future__ import annotations

from collections.abc import Sequence

from rlmem.errors import flag
from rlmem.experiments.any_config import AnyConfig
from rlmem.experiments.processes import launch


def command_line(command: str, task: str, config: AnyConfig, preset: AnyConfig, sections: Sequence[str]) -> str:
    """The command that trains a configuration again: its preset, and a flag for everything that differs from it.

    Args:
        command: such as `train`.
        task: of the configuration.
        config: what was trained.
        preset: the one it names.
        sections: names of the parts whose fields are flags.
    """
    words = [launch(config.run.processes), command, task, "--preset", config.preset, "--seed", str(config.run.seed)]
    for section in sections:
        theirs = vars(getattr(preset, section))
        for name, value in vars(getattr(config, section)).items():
            if value == theirs[name] or name in ("device", "seed", "processes"):
                continue
            if isinstance(value, bool):
                words.append(flag(name if value else f"no_{name}"))
            else:
                words += [flag(name), *map(str, value if isinstance(value, tuple) else (value,))]
    return " ".join(words)
