"""An episode's trace as one JSON-able object, which the page of `rlmem trace` reads; its format is 1."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlmem.agents.erasure import ErasureEffect
from rlmem.agents.trace_pictures import Pictures
from rlmem.agents.tracing import EpisodeTrace, LayerMemories
from rlmem.experiments.png import encode_png
from rlmem.experiments.tasks import TASKS

FORMAT = 1
_DIGITS = 5  # of numbers in the page
_LEAST_SHOWN = 1e-3  # of a share, that is drawn as more than nothing
_MAX_PICTURE_BYTES = 5_000_000  # of all frames together; above it they are drawn smaller


@dataclass(frozen=True)
class TraceContext:
    """What a trace does not know of itself.

    Args:
        title: of the page.
        task: a name of `TASKS`.
        memory: the kind.
        max_span: L in steps.
        ramp: R in steps; 0 where the kind has none.
        actions: names of discrete actions, or None.
        first_action: the number of the first of them.
    """

    title: str
    task: str
    memory: str
    max_span: int
    ramp: int
    actions: Sequence[str] | None
    first_action: int = 0


def page_payload(trace: EpisodeTrace, context: TraceContext, erasures: Sequence[ErasureEffect] = ()) -> dict[str, Any]:
    """Everything that the page shows of an episode.

    Args:
        trace: of the episode.
        context: of the run.
        erasures: largest effect first.
    """
    probabilities = trace.probabilities
    return {
        "format": FORMAT,
        "title": context.title,
        "task": context.task,
        "memory": context.memory,
        "max_span": context.max_span,
        "ramp": context.ramp,
        "num_steps": trace.num_steps,
        "outcome": _outcome(trace, context.task),
        "return": round(float(trace.reward.sum(dtype=np.float64)), _DIGITS),
        "actions": None if context.actions is None else list(context.actions),
        "action": _action_texts(trace, context),
        "probabilities": None if probabilities is None else _rounded(probabilities),
        "value": _rounded(trace.value),
        "reward": _rounded(trace.reward),
        "labels": trace.labels.tolist(),
        "cells": None if trace.cells is None else [[str(cell).split() for cell in row] for row in trace.cells],
        "columns": trace.columns,
        "frames": _pictures(trace.frames),
        "views": _pictures(trace.views),
        "layers": [_layer(layer) for layer in trace.layers],
        "erasures": [_erasure(one, trace) for one in erasures],
    }


def _outcome(trace: EpisodeTrace, task: str) -> str | None:
    if trace.is_success:
        return "success"
    if trace.is_truncated:
        return "truncated"
    is_scored = task in TASKS and TASKS[task].score is not None  # how far it came says more than that it did not arrive
    return None if trace.is_success is None or is_scored else "failure"


def _action_texts(trace: EpisodeTrace, context: TraceContext) -> list[str]:
    if context.actions is not None:
        return [context.actions[int(action) - context.first_action] for action in trace.action]
    return [" ".join(f"{number:.4g}" for number in np.ravel(action)) for action in trace.action]


def _layer(layer: LayerMemories) -> dict[str, Any]:
    return {
        "birth": layer.birth.tolist(),
        "covers": layer.covers.tolist(),
        "span": None if layer.span is None else [round(float(span), 2) for span in layer.span],
        "full_until": layer.full_until.tolist(),
        "seen_until": layer.seen_until.tolist(),
        "deleted": layer.deleted.tolist(),
        "attention": _bytes(layer.attention),
        "mask": _bytes(layer.mask),
    }


def _bytes(shares: NDArray[np.float32]) -> str:
    """Numbers in [0, 1] as base64 of uint8, 255 being 1; what is above 0 stays above it."""
    scaled = np.rint(shares * 255)
    visible = np.where((shares > 0) & (scaled == 0) & (shares > _LEAST_SHOWN), 1, scaled)
    return base64.b64encode(visible.clip(0, 255).astype(np.uint8).tobytes()).decode()


def _erasure(one: ErasureEffect, trace: EpisodeTrace) -> dict[str, Any]:
    before, after = trace.action_outputs[one.at], one.action_outputs[one.at]
    is_discrete = trace.probabilities is not None
    return {
        "layer": one.erasure.layer,
        "slot": one.erasure.slot,
        "step": one.step,
        "label": one.label,
        "word": one.erasure.word,
        "effect": round(one.effect, _DIGITS),
        "at": one.at,
        "value_change": round(one.value_change, _DIGITS),
        "probabilities_before": _rounded(_softmax(before)) if is_discrete else [],
        "probabilities_after": _rounded(_softmax(after)) if is_discrete else [],
    }


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max())
    return powers / powers.sum()  # type: ignore[no-any-return]  # dividing arrays is Any to mypy


def _rounded(array: NDArray[Any]) -> Any:
    return np.round(array.astype(np.float64), _DIGITS).tolist()


def _pictures(pictures: Pictures | None) -> dict[str, Any] | None:
    if pictures is None:
        return None
    images = pictures.images
    expected, stride = len(encode_png(images[0])) * len(images), 1
    while expected / stride > _MAX_PICTURE_BYTES and stride < 4:
        stride += 1
    texts = [base64.b64encode(encode_png(image[::stride, ::stride])).decode() for image in images]
    return {"images": [f"data:image/png;base64,{text}" for text in texts], "index": pictures.index.tolist()}
