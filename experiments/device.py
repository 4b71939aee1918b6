"""Which device a command runs on, and with how many threads."""

from __future__ import annotations

from dataclasses import Field, replace
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import torch

from rlmem.errors import UsageError

DeviceChoice = Literal["auto", "cpu", "cuda"]
Device = Literal["cpu", "cuda"]


def choose_device(name: DeviceChoice) -> Device:
    """`cpu` or `cuda`; `auto` takes CUDA where there is a GPU.

    Raises:
        UsageError: CUDA was asked for and there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "--device cuda was asked for, but PyTorch finds no CUDA GPU here; use --device cpu, or install a CUDA "
            "build of PyTorch"
        )
    return name


class MachineSettings(Protocol):
    """What a run's dataclass of settings says of the machine."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def device(self) -> DeviceChoice:
        """As asked for."""
        ...

    @property
    def num_threads(self) -> int | None:
        """CPU threads of PyTorch; None leaves its choice."""
        ...


Settings = TypeVar("Settings", bound=MachineSettings)


def decide_machine(settings: Settings) -> Settings:
    """The settings with device and threads decided, so that another machine can repeat the run.

    Raises:
        UsageError: there is no such device here.
    """
    threads = settings.num_threads or torch.get_num_threads()
    return replace(settings, device=choose_device(settings.device), num_threads=threads)
