"""A step of work on a device that is recorded once, as a CUDA graph, and then played again without Python."""

from __future__ import annotations

from collections.abc import Callable

import torch

_STEPS_BEFORE = 3  # as PyTorch's notes on CUDA graphs ask: libraries allocate and choose kernels in their first calls


class CapturedStep:
    """Calls a function; on CUDA its first few calls run as they are, one more is recorded, and later ones replay it.

    The function must read and write the same tensors in every call, take no value from the device, copy nothing to it
    and draw no random numbers. Its first calls run on a stream of their own, as recording will.

    Args:
        step: the function. What it returns is not passed on.
        device: that it works on; anything but CUDA only ever calls it.
    """

    def __init__(self, step: Callable[[], object], device: torch.device) -> None:
        self._step = step
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    def __call__(self) -> None:
        """Take a step."""
        if self._stream is None:
            self._step()
            return
        if self._graph is None and self._calls == _STEPS_BEFORE:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self._stream):  # records, and runs nothing
                self._step()
            self._graph = graph
        if self._graph is not None:
            self._graph.replay()
            return
        self._calls += 1
        now = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(now)
        with torch.cuda.stream(self._stream):
            self._step()
        now.wait_stream(self._stream)
