"""What a run logs: metrics.jsonl, TensorBoard events and evaluations.npz. The step is environment steps."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlmem.agents.evaluation import Evaluation
from rlmem.errors import RlmemError
from rlmem.experiments.atomic_files import write_bytes
from rlmem.experiments.event_files import cut_event_files

_SPAN_BINS = 40


class MetricsLog:
    """The logs of one run, open for more; wall-clock values are under `time/`, all else is reproducible.

    Args:
        folder: the run's.
        last_step: what is logged beyond it is cut off first (environment steps).
    """

    def __init__(self, folder: Path, last_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        self._evaluations = folder / "evaluations.npz"
        path = folder / "metrics.jsonl"
        cut_metrics(path, last_step)
        cut_evaluations(self._evaluations, last_step)
        cut_event_files(folder, last_step)
        self._lines = path.open("a", encoding="utf-8")
        self._writer: Any = SummaryWriter(str(folder))

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Add one line, and its values to TensorBoard; numbers that are not finite become null.

        Args:
            step: environment steps.
            metrics: by name.
        """
        finite = {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}
        self._lines.write(json.dumps({"step": step, **finite}) + "\n")
        self._lines.flush()
        for name, value in finite.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)

    def add_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Add one row to evaluations.npz, which has Stable-Baselines3's names."""
        row = {
            "timesteps": np.array([step]),
            "results": evaluation.returns[None],
            "ep_lengths": evaluation.lengths[None],
        }
        if evaluation.successes is not None:
            row["successes"] = evaluation.successes[None]
        if self._evaluations.exists():
            with np.load(self._evaluations) as old:
                row = {name: np.concatenate([old[name], row[name]]) for name in row}
        _write_arrays(self._evaluations, row)

    def add_spans(self, step: int, spans: Sequence[NDArray[np.float32]], max_span: int) -> None:
        """Add a histogram `memory/layer_<n>/spans` for each layer to TensorBoard.

        Args:
            step: environment steps.
            spans: per layer (memories,), e_i in steps, at least one.
            max_span: L, in steps; the bins divide [0, L], the same way every time.
        """
        bins = np.linspace(0, max_span, _SPAN_BINS + 1)
        for layer, values in enumerate(spans):
            self._writer.add_histogram(f"memory/layer_{layer}/spans", values, step, bins=bins)

    def add_image(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """Add a picture (height, width, 3) to TensorBoard; step: environment steps."""
        self._writer.add_image(name, picture, step, dataformats="HWC")

    def add_text(self, step: int, name: str, text: str) -> None:
        """Add a text to TensorBoard; step: environment steps."""
        self._writer.add_text(name, text, step)

    def sync(self) -> None:
        """Force everything to disk; a checkpoint must never be ahead of the logs."""
        self._lines.flush()
        os.fsync(self._lines.fileno())
        self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        self._lines.close()
        self._writer.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics.jsonl; a last one that a kill cut short is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # what follows the last newline is no whole line
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise RlmemError(
            f"{path} holds a line that is no JSON ({error}); move the file away and go on without"
        ) from error


def cut_metrics(path: Path, last_step: int) -> None:
    """Drop the lines after a step, in environment steps."""
    if path.exists():
        kept = [json.dumps(line) + "\n" for line in read_metrics(path) if line["step"] <= last_step]
        write_bytes(path, "".join(kept).encode())


def cut_evaluations(path: Path, last_step: int) -> None:
    """Drop the rows after a step, in environment steps."""
    if path.exists():
        with np.load(path) as old:
            is_kept = old["timesteps"] <= last_step
            arrays = {name: old[name][is_kept] for name in old.files}
        _write_arrays(path, arrays)


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_bytes(path, buffer.getvalue())
