"""The trace's page: one HTML file that needs no network, from payloads of format 1.

The page's own parts lie in `page/`: the template, the style, and scripts that are put into the file one after another.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from rlmem.errors import UsageError

PAYLOAD_FORMAT = 1
"""The format of payloads that this page reads."""

SCRIPTS = (
    "elements.js",
    "episode.js",
    "lanes.js",
    "timeline.js",
    "step_panel.js",
    "memory_panels.js",
    "trace.js",
    "controls.js",
)
"""The page's scripts, in the order in which they are put into it."""


def render_page(payloads: Sequence[dict[str, Any]]) -> str:
    """Write a page that shows episodes.

    Args:
        payloads: one for each episode, as `trace_payload.page_payload` makes them; the first is shown first.

    Returns:
        The HTML, UTF-8 text to be written as it is.

    Raises:
        UsageError: there is no payload, or one is of another format or holds a number that JSON cannot.
    """
    if not payloads:
        raise UsageError("got no episode, so there is nothing to show: trace at least one")
    for payload in payloads:
        if payload.get("format") != PAYLOAD_FORMAT:
            raise UsageError(
                f"got a payload of format {payload.get('format')!r}, but this page reads format {PAYLOAD_FORMAT}: "
                "make it with this version of rlmem"
            )
    titles = [payload["title"] for payload in payloads]
    return fill_page("trace.html.j2", ("trace.css",), SCRIPTS, payloads, titles=titles)


def fill_page(
    template: str, styles: Sequence[str], scripts: Sequence[str], payloads: Sequence[dict[str, Any]], **values: Any
) -> str:
    """Put a page together from its parts.

    Args:
        template: file in `page/`, which gets `title`, `style`, `script`, `payloads` and `values`.
        styles: files in `page/`, put into one another's wake.
        scripts: likewise, in one scope.
        payloads: at least one; the first one's title is the page's.
        values: for the template alone.

    Raises:
        UsageError: a payload holds a number that JSON cannot.
    """
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_read(template))
    script = "\n".join(_read_compact(name) for name in scripts)
    return page.render(
        title=payloads[0]["title"],
        style="\n".join(_read_compact(name) for name in styles),
        script=f'(() => {{\n"use strict";\n{script}\n}})();',
        payloads=[_embed(payload) for payload in payloads],
        **values,
    )


def _embed(payload: dict[str, Any]) -> str:
    """JSON that ends no script element: `<` can only stand inside a text, and is written there as an escape."""
    try:
        text = json.dumps(payload, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise UsageError(
            f"{payload['title']!r} holds a number that is not finite, which JSON has no word for ({error}): "
            "the network's value or probabilities have diverged"
        ) from error
    return text.replace("<", "\\u003c")


def _read(name: str) -> str:
    return files("rlmem.experiments").joinpath("page", name).read_text(encoding="utf-8")


def _read_compact(name: str) -> str:
    """A script or style without indentation and comment lines, which are a sixth of it."""
    lines = (line.strip() for line in _read(name).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
