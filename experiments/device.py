"""Which device a command runs on, and with how many threads."""

from __future__ import annotations

import os
from dataclasses import Field, replace
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import torch

from rlmem.agents.ranks import ALONE, Ranks
from rlmem.errors import UsageError, check

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

    @property
    def processes(self) -> int:
        """Processes that train together."""
        ...


Settings = TypeVar("Settings", bound=MachineSettings)


def decide_machine(settings: Settings, ranks: Ranks = ALONE) -> Settings:
    """The settings with device, threads and processes decided, so that another machine can repeat the run.

    Where several processes train, the one that asks takes a GPU of its own.

    Raises:
        UsageError: there is no such device here, or not one for each process on this machine.
    """
    threads = settings.num_threads or torch.get_num_threads()
    device = choose_device(settings.device)
    if device == "cuda" and ranks.size > 1:
        _take_own_gpu()
    return replace(settings, device=device, num_threads=threads, processes=ranks.size)


def _take_own_gpu() -> None:
    """Make `cuda` mean the GPU whose number is that of this process on this machine, as torchrun says."""
    processes, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    check(
        processes <= gpus,
        f"torchrun started {processes} processes on this machine, but each needs a CUDA GPU of its own and PyTorch "
        f"finds {gpus} here; use --nproc-per-node {gpus}, or --device cpu",
    )
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
