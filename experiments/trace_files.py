"""The file trace.npz of `rlmem trace`: everything that was recorded, to be loaded with `numpy.load`, without pickle.

Names begin with the episode, `episode_0.`; T are its steps. Steps count from 0.

    seed                          ()            int64
    observation.<leaf>            (T, ...)      as the environment gave it
    action                        (T, ...)      as the environment took it
    action_outputs, probabilities (T, outputs)  float32; probabilities where actions are Discrete
    value, reward                 (T,)          float32
    is_success                    ()            int8: 1, 0, or -1 if the environment does not say
    is_truncated                  ()            bool
    labels                        (T,)          text: what is notable in each observation
    cells                         (T, cells)    text: the words of each cell of the view, row by row
    columns                       ()            int64: of the view; 0 if the agent sees no words
    frames, frame_index           (pictures, height, width, 3) uint8, (T,) int64: pictures of the environment
    views, view_index             likewise: pictures of what the agent sees
    layer_0.birth, .covers, .span, .full_until, .seen_until, .deleted   (slots,)
    layer_0.attention, .mask      (T, slots)    float32; all as in `rlmem.agents.tracing.LayerMemories`
    erasure.layer, .slot, .step, .at   (erasures,)  int64; layer -1: in all layers
    erasure.word                  (erasures,)   text: "" if the whole memory was erased
    erasure.effect, .value_change (erasures,)   float32
    erasure.divergence            (erasures, T) float32, KL(before || after) in nats at each step

What an episode does not have is left out. `format` is 1, `episodes` says how many there are.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlmem.agents.erasure import ErasureEffect
from rlmem.agents.tracing import EpisodeTrace, LayerMemories
from rlmem.errors import check
from rlmem.experiments.atomic_files import write_bytes

FORMAT = 1
_LAYER_ARRAYS = ("birth", "covers", "span", "full_until", "seen_until", "deleted", "attention", "mask")


def check_free(files: Sequence[Path]) -> None:
    """Refuse, before any work, files that exist or whose folder cannot be one.

    Raises:
        UsageError: one of them does.
    """
    for file in files:
        check(not file.exists(), f"{file} exists and is not overwritten; remove it or choose another place")
        parents = [parent for parent in file.parents if parent.exists() and not parent.is_dir()]
        check(not parents, f"{file} cannot be written, as {parents[0] if parents else ''} is a file; choose a folder")


def write_traces(
    path: Path, traces: Sequence[EpisodeTrace], erasures: Sequence[Sequence[ErasureEffect]], leaf_names: Sequence[str]
) -> None:
    """Write trace.npz.

    Args:
        path: the file; its folder exists.
        traces: one an episode.
        erasures: for each episode, largest effect first.
        leaf_names: of the observation's leaves.
    """
    arrays: dict[str, NDArray[Any]] = {"format": np.array(FORMAT), "episodes": np.array(len(traces))}
    for number, (trace, effects) in enumerate(zip(traces, erasures, strict=True)):
        named = {**trace_arrays(trace, leaf_names), **(_erasure_arrays(effects) if effects else {})}
        arrays |= {f"episode_{number}.{name}": array for name, array in named.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # names are no keyword of its own
    write_bytes(path, buffer.getvalue())


def trace_arrays(trace: EpisodeTrace, leaf_names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """One episode by the names of trace.npz; leaf_names: of the observation's leaves."""
    named: dict[str, Any] = {
        "seed": np.array(trace.seed),
        **{f"observation.{name}": leaf for name, leaf in zip(leaf_names, trace.observation, strict=True)},
        "is_success": np.array(-1 if trace.is_success is None else trace.is_success, dtype=np.int8),
        "is_truncated": np.array(trace.is_truncated),
        "columns": np.array(trace.columns),
    }
    for name in ("action", "action_outputs", "probabilities", "value", "reward", "labels", "cells"):
        named[name] = getattr(trace, name)
    for one, pictures in (("frame", trace.frames), ("view", trace.views)):
        if pictures is not None:
            named |= {f"{one}s": pictures.images, f"{one}_index": pictures.index}
    for number, layer in enumerate(trace.layers):
        named |= _layer_arrays(layer, f"layer_{number}.")
    return {name: array for name, array in named.items() if array is not None}


def _layer_arrays(layer: LayerMemories, prefix: str) -> dict[str, Any]:
    return {prefix + name: getattr(layer, name) for name in _LAYER_ARRAYS}


def _erasure_arrays(effects: Sequence[ErasureEffect]) -> dict[str, NDArray[Any]]:
    layers = [-1 if one.erasure.layer is None else one.erasure.layer for one in effects]
    return {
        "erasure.layer": np.array(layers),
        "erasure.slot": np.array([one.erasure.slot for one in effects]),
        "erasure.step": np.array([one.step for one in effects]),
        "erasure.word": np.array([one.erasure.word or "" for one in effects]),
        "erasure.effect": np.array([one.effect for one in effects], dtype=np.float32),
        "erasure.at": np.array([one.at for one in effects]),
        "erasure.value_change": np.array([one.value_change for one in effects], dtype=np.float32),
        "erasure.divergence": np.stack([one.divergence for one in effects]),
    }
