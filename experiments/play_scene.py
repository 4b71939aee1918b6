"""What a person who plays looks at: the environment at the left, what an agent would see at the right."""

from __future__ import annotations

from rlmem.agents.trace_pictures import Frame
from rlmem.experiments.canvas import Box, Canvas
from rlmem.experiments.human_play import HumanEpisode
from rlmem.experiments.palette import BAD, GOOD, MUTED, SUNKEN, TEXT, Colour
from rlmem.experiments.word_grid import draw_words

_WIDTH, _HEIGHT = 960, 600
_MARGIN, _TOP, _SIDE_WIDTH = 16, 48, 340
_OUTCOME_COLOURS: dict[str, Colour] = {"success": GOOD, "failure": BAD}


def draw_play(episode: HumanEpisode, title: str, note: str | None, *, agent_view: bool = False) -> Frame:
    """The picture of an episode as it stands.

    Args:
        episode: that is played.
        title: of the picture.
        note: why there is no picture of the environment, or None.
        agent_view: show what the agent would see instead of the whole environment.
    """
    canvas = Canvas(_WIDTH, _HEIGHT)
    side = Box(_WIDTH - _MARGIN - _SIDE_WIDTH, _TOP, _WIDTH - _MARGIN, _HEIGHT - _MARGIN)
    card = Box(_MARGIN, _TOP, side.left - 12, side.bottom)
    _draw_top(canvas, episode, title)
    canvas.card(card)
    canvas.card(side)
    place = card.inside(14)
    picture = episode.view if agent_view and episode.view is not None else episode.frame
    if picture is not None:
        canvas.picture(picture, place, is_middle=True)
    else:
        canvas.paragraph(place, note or "nothing to draw", size=14, colour=MUTED, is_centred=True)
    _draw_side(canvas, side.inside(14), episode)
    return canvas.pixels()


def _draw_top(canvas: Canvas, episode: HumanEpisode, title: str) -> None:
    right = _WIDTH - _MARGIN
    if episode.outcome is not None:
        colour = _OUTCOME_COLOURS.get(episode.outcome, MUTED)
        text = f"{episode.outcome}, return {episode.total:.4g}: R for a new episode"
        right -= round(canvas.text(right, 24, text, size=14, colour=colour, is_bold=True, align="right"))
    canvas.text(_MARGIN, 24, title, size=16, is_bold=True, width=right - _MARGIN - 24)


def _draw_side(canvas: Canvas, box: Box, episode: HumanEpisode) -> None:
    top = box.top
    if episode.mission:
        top = canvas.paragraph(Box(box.left, top, box.right, top + 54), episode.mission, is_bold=True) + 8
    numbers = {
        "step": str(episode.step),
        "last action": episode.action or "none yet",
        "reward": f"{episode.reward:.4g}",
        "return": f"{episode.total:.4g}",
        **episode.facts,
    }
    for name, number in numbers.items():
        canvas.text(box.left, top + 8, name, colour=MUTED)
        canvas.text(box.right, top + 8, number, is_bold=True, align="right", width=box.width - 120)
        top += 19
    keys = [*episode.keys.help(), ("R", "new episode"), ("Q", "quit")]
    keys_top = box.bottom - 19 * ((len(keys) + 1) // 2)
    _draw_seen(canvas, Box(box.left, top + 8, box.right, keys_top - 12), episode)
    for place, (key, name) in enumerate(keys):
        row, column = divmod(place, 2)
        left, middle = box.left + column * (box.width // 2), keys_top + 19 * row + 9
        width = canvas.text(left, middle, key, is_bold=True)
        canvas.text(left + max(width + 8, 26), middle, name, colour=MUTED, width=box.width / 2 - max(width + 8, 26) - 6)


def _draw_seen(canvas: Canvas, box: Box, episode: HumanEpisode) -> None:
    canvas.text(box.left, box.top + 8, "The agent would see", size=12, colour=MUTED)
    if episode.words is None:
        canvas.rectangle((box.left, box.top + 18, box.right, box.bottom), SUNKEN)
        place = Box(box.left + 8, box.top + 24, box.right - 8, box.bottom - 6)
        for line in episode.observation_text().splitlines():
            place = place._replace(top=canvas.paragraph(place, line, size=12))
        return
    is_notable = episode.words.label != "-"
    label = episode.words.label if is_notable else "nothing notable"
    bottom = canvas.paragraph(
        Box(box.left, box.top + 18, box.right, box.top + 54),
        label,
        colour=TEXT if is_notable else MUTED,
        is_bold=is_notable,
    )
    draw_words(canvas, Box(box.left, bottom + 6, box.right, box.bottom), episode.words)
