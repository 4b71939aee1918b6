"""A window that shows pictures and reads keys, with pygame, which MiniGrid brings."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import TracebackType
from typing import Any

from rlmem.agents.trace_pictures import Frame
from rlmem.errors import UsageError

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_DRIVER = "SDL_VIDEODRIVER"
_UNSEEN_DRIVERS = ("dummy", "offscreen")  # what SDL takes where it finds no screen
_REPEAT_AFTER_MS, _REPEAT_EVERY_MS = 350, 60  # of a key that is held
_SAME_KEYS = {"[+]": "+", "=": "+", "[-]": "-", "enter": "return", **{f"[{digit}]": str(digit) for digit in range(10)}}


class PictureWindow:
    """A window; use it in a `with` statement.

    Args:
        title: of the window.
        otherwise: what to do where there is no display, for the error's end.

    Raises:
        UsageError: there is no display, or no pygame.
    """

    def __init__(self, title: str, otherwise: str) -> None:
        self._title = title
        if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in (*_DISPLAYS, _DRIVER)):
            raise _no_display("neither DISPLAY nor WAYLAND_DISPLAY is set", otherwise)
        try:
            # not imported by name, for it is no dependency of one name: MiniGrid brings pygame or, newer, pygame-ce
            self._pygame: Any = import_module("pygame")
            self._pygame.display.init()
        except (ImportError, RuntimeError) as error:  # pygame.error is a RuntimeError
            raise _no_display(str(error), otherwise) from error
        if not os.environ.get(_DRIVER) and self._pygame.display.get_driver() in _UNSEEN_DRIVERS:
            raise _no_display("none answers", otherwise)

    def __enter__(self) -> PictureWindow:
        """The window itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self._pygame.display.quit()

    def show(self, picture: Frame) -> None:
        """Show a picture (height, width, 3); the window takes its size."""
        display, size = self._pygame.display, picture.shape[1::-1]
        surface = display.get_surface()
        if surface is None or surface.get_size() != size:
            surface = display.set_mode(size)
            display.set_caption(self._title)
            self._pygame.key.set_repeat(_REPEAT_AFTER_MS, _REPEAT_EVERY_MS)
            self._pygame.event.set_blocked(self._pygame.MOUSEMOTION)  # would end every wait
        surface.blit(self._pygame.image.frombuffer(picture.tobytes(), size, "RGB"), (0, 0))
        display.flip()

    def keys(self, wait_seconds: float | None) -> list[str]:
        """The keys that were pressed, by pygame's names; "escape" for the window being closed.

        Args:
            wait_seconds: how long to wait for one if there is none yet; None: until there is one.
        """
        pygame = self._pygame
        while True:
            # a timeout of 0 would wait for ever
            first = pygame.event.wait() if wait_seconds is None else pygame.event.wait(max(1, int(1000 * wait_seconds)))
            keys = [key for event in (first, *pygame.event.get()) if (key := self._key_of(event)) is not None]
            if keys or wait_seconds is not None:
                return keys

    def _key_of(self, event: Any) -> str | None:
        pygame = self._pygame
        if event.type == pygame.QUIT:
            return "escape"
        if event.type == pygame.WINDOWEXPOSED:
            pygame.display.flip()
        if event.type != pygame.KEYDOWN:
            return None
        name: str = event.unicode if event.unicode in ("+", "-") else pygame.key.name(event.key)
        return _SAME_KEYS.get(name, name)


def _no_display(reason: str, otherwise: str) -> UsageError:
    return UsageError(f"there is no display to open a window on ({reason}); {otherwise}")
