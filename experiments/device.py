"""Which device a command runs on."""

from __future__ import annotations

from typing import Literal

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
