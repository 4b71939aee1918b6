"""What PyTorch is told before a training on CUDA, so that it is repeated to the bit and as exact as was asked for."""

from __future__ import annotations

import os

import torch

from rlmem.errors import check


def prepare_device(device: str, *, tf32: bool) -> None:
    """Set PyTorch up for a training; on a CPU there is nothing to set.

    On CUDA sums that are made in no fixed order are replaced by ones that are, for a resumed run must not differ; where
    PyTorch has none it warns. Matrix products are float32, unless `tf32`. Nothing is run on the GPU yet.

    Args:
        device: of the run, `cpu` or `cuda`, as its configuration says.
        tf32: multiply matrices in TF32.

    Raises:
        UsageError: the run is one on CUDA, and there is no GPU.
    """
    if device != "cuda":
        return
    check(
        torch.cuda.is_available(),
        "this run is trained on CUDA, but PyTorch finds no CUDA GPU here; go on with it where there is one, or "
        "evaluate it here: rlmem eval RUN --device cpu",
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it, before its first call
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
