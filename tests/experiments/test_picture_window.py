"""The window, with SDL's driver that needs no display."""

from __future__ import annotations

import sys

import numpy as np
import pygame
import pytest

from rlmem.errors import UsageError
from rlmem.experiments.picture_window import PictureWindow

pytestmark = pytest.mark.usefixtures("no_screen")


@pytest.fixture
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def press(name: str, text: str = "") -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), unicode=text))


def test_it_shows_the_picture_and_takes_its_size() -> None:
    generator = np.random.default_rng(0)
    with PictureWindow("title", "") as window:
        for size in ((20, 30, 3), (20, 30, 3), (50, 40, 3)):
            picture = generator.integers(0, 256, size, dtype=np.uint8)
            window.show(picture)
            surface = pygame.display.get_surface()
            assert surface is not None
            np.testing.assert_array_equal(pygame.surfarray.array3d(surface).swapaxes(0, 1), picture)
            assert pygame.display.get_caption()[0] == "title"
    assert not pygame.display.get_init()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("up", "", "up"),
        ("page up", "", "page up"),
        ("space", " ", "space"),
        ("return", "\r", "return"),
        ("enter", "\r", "return"),
        ("[5]", "5", "5"),
        ("[+]", "+", "+"),
        ("=", "=", "+"),
        ("=", "+", "+"),
        ("-", "-", "-"),
        ("q", "Q", "q"),
    ],
)
def test_keys_have_one_name_wherever_they_are(name: str, text: str, expected: str) -> None:
    with PictureWindow("title", "") as window:
        window.show(np.zeros((8, 8, 3), np.uint8))
        press(name, text)
        assert window.keys(None) == [expected]


def test_other_events_are_no_keys_and_closing_is_escape() -> None:
    with PictureWindow("title", "") as window:
        window.show(np.zeros((8, 8, 3), np.uint8))
        window.keys(0)
        pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=(1, 1), rel=(0, 0), buttons=(0, 0, 0)))
        pygame.event.post(pygame.event.Event(pygame.WINDOWEXPOSED))
        assert window.keys(0) == []
        pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=(1, 1), rel=(0, 0), buttons=(0, 0, 0)))
        press("a")
        press("b")
        pygame.event.post(pygame.event.Event(pygame.QUIT))
        assert window.keys(None) == ["a", "b", "escape"]


def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(UsageError, match=r"no display .*neither DISPLAY nor WAYLAND_DISPLAY is set\); do this"):
        PictureWindow("title", "do this")


def test_a_display_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "nonsense")
    with pytest.raises(UsageError, match=r"no display to open a window on \(.*nonsense.*\); do this"):
        PictureWindow("title", "do this")
    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.setattr(pygame.display, "init", lambda: None)
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")  # what SDL then takes
    with pytest.raises(UsageError, match=r"no display to open a window on \(none answers\); do this"):
        PictureWindow("title", "do this")


def test_no_pygame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(UsageError, match="do this"):
        PictureWindow("title", "do this")
