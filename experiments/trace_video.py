"""An episode's trace as a video: frame beside live memories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlmem.agents.live_play import SeenMemories
from rlmem.agents.step_words import StepWords
from rlmem.agents.trace_pictures import Frame, Pictures
from rlmem.agents.tracing import EpisodeTrace
from rlmem.experiments.episode_scene import LEAST_AGES, Scene, draw_scene
from rlmem.experiments.video import write_video

_LAST_SECONDS = 2  # for which the end is shown


def write_trace_video(path: Path, trace: EpisodeTrace, payload: dict[str, Any], fps: int) -> None:
    """Write one episode.

    Args:
        path: .mp4 or .gif; its folder exists.
        trace: of the episode.
        payload: of the same one, from `trace_payload.page_payload`.
        fps: steps a second.

    Raises:
        RlmemError: there is no ffmpeg for an MP4, or it fails.
    """
    last = trace.num_steps - 1
    write_video(
        path,
        lambda number: draw_scene(scene_of(trace, payload, min(number, last))),
        trace.num_steps + _LAST_SECONDS * fps,
        fps,
    )


def scene_of(trace: EpisodeTrace, payload: dict[str, Any], step: int) -> Scene:
    """What is shown of a step of a trace; see `write_trace_video`."""
    names, probabilities = payload["actions"], trace.probabilities
    is_last = step == trace.num_steps - 1
    return Scene(
        title=payload["title"],
        step=step,
        num_steps=trace.num_steps,
        frame=_picture(trace.frames, step),
        view=_picture(trace.views, step),
        words=_words(trace, step),
        actions=[] if probabilities is None else list(zip(names, map(float, probabilities[step]), strict=True)),
        chosen=payload["action"][step],
        value=float(trace.value[step]),
        reward=float(trace.reward[step]),
        total=float(trace.reward[: step + 1].sum()),
        layers=[SeenMemories.at(layer, step) for layer in trace.layers],
        labels=[str(label) for label in trace.labels[: step + 1]],
        oldest=last_age(trace),
        note=f"the memory {payload['memory']} is one state without single memories",
        outcome=(payload["outcome"] or "over") if is_last else None,
        footer=f"{payload['task']} · {payload['memory'].replace('_', ' ')}",
    )


def last_age(trace: EpisodeTrace) -> int:
    """The age, in steps, that no memory of the episode exceeds while it is seen, or more if it is very small."""
    return max(LEAST_AGES, *(int((layer.kept_steps + layer.covers).max()) - 1 for layer in trace.layers), 0)


def _picture(pictures: Pictures | None, step: int) -> Frame | None:
    return None if pictures is None else pictures.images[pictures.index[step]]


def _words(trace: EpisodeTrace, step: int) -> StepWords | None:
    if trace.cells is None:
        return None
    return StepWords(str(trace.labels[step]), tuple(str(cell) for cell in trace.cells[step]), trace.columns)
