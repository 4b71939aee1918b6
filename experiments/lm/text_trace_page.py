"""The page of a text's trace: one HTML file that needs no network, from a payload of `text_trace_payload`.

Its own parts lie beside those of the agents' page, in `page/`, and it shares their style.
"""

from __future__ import annotations

from typing import Any

from rlmem.errors import UsageError
from rlmem.experiments.lm.text_trace_payload import FORMAT
from rlmem.experiments.trace_page import fill_page

SCRIPTS = ("elements.js", "text_passage.js", "text_view.js", "text_panels.js", "text_page.js")
"""The page's scripts, in the order in which they are put into it."""

_LEVELS = 16  # of a scale of colours, as in text_passage.js


def render_text_page(payload: dict[str, Any]) -> str:
    """Write a page that shows all readings of a passage.

    Args:
        payload: from `readings_payload`.

    Returns:
        The HTML, UTF-8 text to be written as it is.

    Raises:
        UsageError: the payload is of another format or kind, or holds a number that JSON cannot.
    """
    found = (payload.get("kind"), payload.get("format"))
    if found != ("text", FORMAT):
        raise UsageError(
            f"got a payload of kind {found[0]!r} and format {found[1]!r}, but this page reads text of format {FORMAT}: "
            "make it with this version of rlmem"
        )
    return fill_page("text.html.j2", ("trace.css", "text.css"), SCRIPTS, [payload], levels=_LEVELS)
