"""What the keys do while an agent is watched."""

from __future__ import annotations

import pytest

from rlmem.experiments.watch_controls import FASTEST, SLOWEST, Controls


def after(keys: str, controls: Controls) -> tuple[Controls, list[str]]:
    commands: list[str] = []
    for key in keys.split():
        controls, command = controls.after(key)
        commands.append(command)
    return controls, commands


@pytest.mark.parametrize(
    ("keys", "expected", "commands"),
    [
        ("space", Controls(8, True), ["none"]),
        ("space space", Controls(8, False), ["none"] * 2),
        ("right right", Controls(8, True), ["step"] * 2),
        ("right space", Controls(8, False), ["step", "none"]),
        ("+ + -", Controls(16, False), ["none"] * 3),
        ("space + r", Controls(16, True), ["none", "none", "restart"]),
        ("q escape", Controls(8, False), ["quit"] * 2),
        ("x left", Controls(8, False), ["none"] * 2),
    ],
)
def test_keys(keys: str, expected: Controls, commands: list[str]) -> None:
    assert after(keys, Controls()) == (expected, commands)


def test_speed_stays_within_its_bounds() -> None:
    assert after("+ " * 20, Controls())[0].steps_per_second == FASTEST
    assert after("- " * 20, Controls())[0].steps_per_second == SLOWEST


def test_they_say_how_it_is() -> None:
    assert Controls(16).describe() == "16 steps/s"
    assert Controls(16, True).describe() == "paused"
