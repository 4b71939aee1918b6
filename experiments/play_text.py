"""Play in a terminal, without a display: the environment in letters where it has them, and what an agent would see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rlmem.agents.step_words import StepWords
from rlmem.experiments.human_play import HumanEpisode


def play_in_text(episode: HumanEpisode, keys: Iterable[str]) -> None:
    """Print the episode, do what each key says, and print again, until a key quits or there are no more.

    Args:
        episode: that is played.
        keys: names of keys, or of actions.
    """
    names = {name: number for number, name in episode.keys.name_of_action.items()}
    print(help_text(episode))
    print(f"\n{describe(episode)}", flush=True)
    for key in keys:
        is_name = key in names and key not in episode.keys.action_of_key
        answer = episode.press(key)
        if answer == "quit":
            return
        if answer == "ignored" and is_name and episode.outcome is None:
            episode.act(names[key])
            answer = "moved"
        if answer == "ignored":
            what = "the episode is over; r begins a new one" if episode.outcome else f"{key} does nothing here"
            print(f"{what}, q quits", flush=True)
        else:
            print(f"\n{describe(episode)}", flush=True)


def help_text(episode: HumanEpisode) -> str:
    """The keys."""
    keys = ", ".join(f"{key} {name}" for key, name in episode.keys.help())
    return f"{keys}; r new episode, q quit"


def describe(episode: HumanEpisode) -> str:
    """The episode as it stands, in lines."""
    drawn: Any = episode.env.render() if episode.env.render_mode == "ansi" else None
    parts = [episode.mission] if episode.mission and episode.step == 0 else []
    if drawn is not None:
        parts.append(drawn.rstrip())
    if episode.words is None:
        parts.append(episode.observation_text())
    if episode.words is not None:
        grid = grid_text(episode.words)
        parts += [] if drawn is not None and grid in drawn else [grid]  # our own environments write it themselves
        parts.append(f"notable: {episode.words.label}")
    numbers = [f"step {episode.step}", *([f"did {episode.action}"] if episode.action else [])]
    numbers += [f"reward {episode.reward:.4g}", f"return {episode.total:.4g}"]
    numbers += [f"{name} {value}" for name, value in episode.facts.items()]
    parts.append(", ".join(numbers))
    if episode.outcome is not None:
        how = "" if episode.outcome == "over" else f", {episode.outcome}"
        parts.append(f"the episode is over{how}: r begins a new one, q quits")
    return "\n".join(parts)


def grid_text(words: StepWords) -> str:
    """The cells of a view, a line a row; a free cell is "-"."""
    cells = [cell or "-" for cell in words.cells]
    rows = [cells[start : start + words.columns] for start in range(0, len(cells), words.columns)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
