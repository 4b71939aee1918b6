"""One step of an agent's episode as a picture: the environment at the left, what each layer remembers at the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlmem.agents.live_play import SeenMemories
from rlmem.agents.step_words import StepWords
from rlmem.agents.trace_pictures import Frame
from rlmem.experiments.canvas import Box, Canvas
from rlmem.experiments.memory_strip import LEAST_HEIGHT, draw_layer
from rlmem.experiments.palette import BAD, GOOD, MARKED, MUTED, NOW, PLAIN, SUNKEN, TEXT, Colour, heat
from rlmem.experiments.word_grid import draw_words

LEAST_AGES = 20
"""Strips over fewer ages would be a few broad blocks."""

WIDTH, _LEAST_HEIGHT = 960, 560
_MARGIN, _TOP, _FOOTER = 16, 48, 30
_SIDE_WIDTH = 296
_VIEW_PIXELS = 92
_ROW_HEIGHT = 20  # of an action
_MOST_ACTIONS = 7
_OUTCOME_COLOURS: dict[str, Colour] = {"success": GOOD, "failure": BAD}


@dataclass(frozen=True)
class Scene:
    """What is shown of a step.

    Args:
        title: of the picture.
        step: which one, 0 being the episode's first.
        num_steps: of the whole episode, where it is known, else None.
        frame: the environment (height, width, 3), or None.
        view: what the agent sees, likewise.
        words: of the observation, or None.
        actions: name and probability of each discrete action; empty for other actions.
        chosen: the action, as text.
        value: of the observation.
        reward: of the step, None if it is not known yet.
        total: rewards up to now.
        layers: what each layer sees; empty if there are no single memories.
        labels: of every step up to this one, "-" for nothing notable.
        oldest: the age at the strips' left edge, in steps.
        note: in place of the layers, where there are none.
        outcome: "success", "failure", "truncated", "over", or None while the episode runs.
        footer: at the bottom, for instance the keys.
    """

    title: str
    step: int
    num_steps: int | None
    frame: Frame | None
    view: Frame | None
    words: StepWords | None
    actions: Sequence[tuple[str, float]]
    chosen: str
    value: float
    reward: float | None
    total: float
    layers: Sequence[SeenMemories]
    labels: Sequence[str]
    oldest: int
    note: str
    outcome: str | None
    footer: str


def draw_scene(scene: Scene) -> Frame:
    """The picture, `WIDTH` pixels wide, as high as its layers need; both even."""
    needed = len(scene.layers) * (LEAST_HEIGHT + 36) + _TOP + _FOOTER + _MARGIN
    height = max(_LEAST_HEIGHT, needed + needed % 2)
    canvas = Canvas(WIDTH, height)
    _draw_top(canvas, scene)
    bottom = height - _FOOTER - 6
    _draw_side(canvas, Box(_MARGIN, _TOP, _MARGIN + _SIDE_WIDTH, bottom), scene)
    _draw_layers(canvas, Box(_MARGIN + _SIDE_WIDTH + 12, _TOP, WIDTH - _MARGIN, bottom), scene)
    _draw_footer(canvas, height - _FOOTER // 2 - 1, scene)
    return canvas.pixels()


def _draw_top(canvas: Canvas, scene: Scene) -> None:
    clock = f"step {scene.step}" + ("" if scene.num_steps is None else f" / {scene.num_steps - 1}")
    right = WIDTH - _MARGIN - canvas.text(WIDTH - _MARGIN, 24, clock, size=16, is_bold=True, align="right")
    if scene.outcome is not None:
        colour = _OUTCOME_COLOURS.get(scene.outcome, MUTED)
        text = f"{scene.outcome}, return {scene.total:.4g}"
        right -= canvas.text(right - 20, 24, text, size=14, colour=colour, is_bold=True, align="right") + 20
    canvas.text(_MARGIN, 24, scene.title, size=16, is_bold=True, width=right - _MARGIN - 24)


def _draw_side(canvas: Canvas, box: Box, scene: Scene) -> None:
    canvas.card(box)
    inner = box.inside(12)
    num_actions = min(len(scene.actions), _MOST_ACTIONS) or 1
    actions_top = inner.bottom - 22 - num_actions * _ROW_HEIGHT
    numbers_top = actions_top - _VIEW_PIXELS - 14
    canvas.text(inner.left, inner.top + 6, "Environment", size=12, colour=MUTED)
    place = Box(inner.left, inner.top + 18, inner.right, numbers_top - 12)
    if scene.frame is not None:
        canvas.picture(scene.frame, place)
    elif scene.words is not None:
        draw_words(canvas, place, scene.words)
    else:
        canvas.paragraph(place, "draws no pictures", colour=MUTED, is_centred=True)
    _draw_numbers(canvas, Box(inner.left, numbers_top, inner.right, actions_top), scene)
    _draw_actions(canvas, Box(inner.left, actions_top, inner.right, inner.bottom), scene)


def _draw_numbers(canvas: Canvas, box: Box, scene: Scene) -> None:
    left = box.left
    if scene.view is not None:
        place = Box(box.left, box.top, box.left + _VIEW_PIXELS, box.top + _VIEW_PIXELS)
        seen = canvas.picture(scene.view, place, is_centred=False)
        left = seen.right + 12
    top = box.top
    if scene.words is not None:
        canvas.text(left, top + 6, "The agent sees", size=12, colour=MUTED)
        is_notable = scene.words.label != "-"
        label = scene.words.label if is_notable else "nothing notable"
        colour = TEXT if is_notable else MUTED
        canvas.paragraph(Box(left, top + 15, box.right, top + 51), label, is_bold=is_notable, colour=colour)
        top += 51
    reward = "" if scene.reward is None else f"{scene.reward:.4g}"
    for name, number in (("value", f"{scene.value:.2f}"), ("reward", reward)):
        canvas.text(left, top + 8, name, colour=MUTED)
        canvas.text(box.right, top + 8, number, is_bold=True, align="right")
        top += 19


def _draw_actions(canvas: Canvas, box: Box, scene: Scene) -> None:
    canvas.text(box.left, box.top + 8, "Action", size=12, colour=MUTED)
    if not scene.actions:
        canvas.text(box.left, box.top + 28, scene.chosen, is_bold=True, width=box.width)
        return
    shown = list(scene.actions)
    if len(shown) > _MOST_ACTIONS:
        likeliest = sorted(shown, key=lambda action: (action[0] != scene.chosen, -action[1]))[:_MOST_ACTIONS]
        shown = [action for action in shown if action in likeliest]
        text = f"{_MOST_ACTIONS} of {len(scene.actions)}"
        canvas.text(box.right, box.top + 8, text, size=12, colour=MUTED, align="right")
    for number, (name, share) in enumerate(shown):
        middle = box.top + 22 + round((number + 0.5) * _ROW_HEIGHT)
        is_chosen = name == scene.chosen
        if is_chosen:
            canvas.text(box.left, middle, "▸", colour=MARKED)
        canvas.text(box.left + 14, middle, name, is_bold=is_chosen, width=74)
        track = Box(box.left + 94, middle - 4, box.right - 46, middle + 5)
        canvas.rectangle(track, SUNKEN)
        canvas.rectangle((*track[:2], track.left + track.width * share, track.bottom), MARKED if is_chosen else PLAIN)
        text = "<1%" if 0 < share < 0.01 else f"{share:.0%}"
        canvas.text(box.right, middle, text, is_bold=is_chosen, align="right")


def _draw_layers(canvas: Canvas, box: Box, scene: Scene) -> None:
    if not scene.layers:
        canvas.card(box)
        canvas.paragraph(box.inside(24), scene.note, size=14, colour=MUTED, is_centred=True)
        return
    gap = 10
    height = (box.height - gap * (len(scene.layers) - 1)) // len(scene.layers)
    for number, memories in enumerate(scene.layers):
        top = box.top + number * (height + gap)
        card = Box(box.left, top, box.right, top + height)
        canvas.card(card)
        draw_layer(canvas, card.inside(12), number, memories, scene.labels, scene.oldest)


def _draw_footer(canvas: Canvas, middle: int, scene: Scene) -> None:
    right = _draw_legend(canvas, middle) if scene.layers else WIDTH - _MARGIN
    canvas.text(_MARGIN, middle, scene.footer, size=11, colour=MUTED, width=right - _MARGIN - 12)


def _draw_legend(canvas: Canvas, middle: int) -> float:
    """What the strips' colours mean; returns its left."""
    right: float = WIDTH - _MARGIN
    right -= canvas.text(right, middle, "100%", size=12, colour=MUTED, align="right") + 6
    for pixel in range(56):
        canvas.rectangle((right - pixel - 1, middle - 5, right - pixel, middle + 5), heat(1 - pixel / 56))
    right -= 62
    right -= canvas.text(right, middle, "attention 0", size=12, colour=MUTED, align="right") + 16
    for name, colour in (("other", PLAIN), ("notable", MARKED), ("this step", NOW)):
        right -= canvas.text(right, middle, name, size=12, colour=MUTED, align="right") + 20
        canvas.rectangle((right, middle - 5, right + 14, middle + 5), colour)
        right -= 14
    return right - canvas.text(right, middle, "height: soft mask", size=12, colour=MUTED, align="right")
