"""The trace's page as a file: it holds its data unharmed, needs nothing else, and refuses what it cannot show."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from rlmem.errors import UsageError
from rlmem.experiments import trace_page
from rlmem.experiments.lm import text_trace_page
from rlmem.experiments.trace_page import render_page

Payload = dict[str, Any]

MOST_CODE = 60_000
"""Bytes that scripts and style may take."""


def elements(page: str, opening: str, closing: str) -> list[str]:
    return re.findall(f"{opening}(.*?){closing}", page, flags=re.DOTALL)


def embedded(page: str) -> list[Payload]:
    return [
        json.loads(text) for text in elements(page, '<script type="application/json" class="payload">', "</script>")
    ]


def test_page_holds_every_payload_unharmed(corridor: Payload, text_only: Payload) -> None:
    assert embedded(render_page([corridor, text_only])) == [corridor, text_only]


def test_texts_cannot_become_elements(text_only: Payload) -> None:
    page = render_page([text_only, text_only])
    assert html.escape(text_only["title"]) in page
    assert "<b>" not in page
    assert "<i>a" not in page
    assert page.count("</script>") == 3  # two payloads and the page's own


def test_page_needs_no_other_file(corridor: Payload) -> None:
    page = render_page([corridor])
    without_data = re.sub(r'"data:image/png;base64,[^"]*"', "", page)
    assert not re.findall(r"https?:|//[a-z]+\.|\bsrc=|\bhref=|@import|url\(", without_data)
    assert "default-src 'none'" in page


def test_scripts_and_style_stay_small(corridor: Payload) -> None:
    page = render_page([corridor])
    code = elements(page, "<script>", "</script>") + elements(page, "<style>", "</style>")
    assert len(code) == 2
    assert sum(len(text.encode()) for text in code) < MOST_CODE


def test_every_file_of_the_pages_is_put_into_one() -> None:
    folder = Path(trace_page.__file__).parent / "page"
    of_episodes = {"trace.html.j2", "trace.css", *trace_page.SCRIPTS}
    of_text = {"text.html.j2", "text.css", *text_trace_page.SCRIPTS}
    assert {path.name for path in folder.iterdir()} == of_episodes | of_text


def test_thousand_steps_and_two_layers_stay_below_ten_megabytes(portal: Payload) -> None:
    assert len(render_page([portal]).encode()) < 10e6


def test_episodes_can_be_chosen_where_there_are_several(corridor: Payload, short_corridor: Payload) -> None:
    assert 'id="episode"' not in render_page([corridor])
    page = render_page([corridor, short_corridor])
    assert elements(page, '<option value="1">', "</option>") == ["another corridor"]


def test_no_payload_is_refused() -> None:
    with pytest.raises(UsageError, match="got no episode"):
        render_page([])


def test_another_format_is_refused(text_only: Payload) -> None:
    with pytest.raises(UsageError, match="format 2, but this page reads format 1"):
        render_page([text_only | {"format": 2}])


def test_numbers_that_are_not_finite_are_refused(text_only: Payload) -> None:
    with pytest.raises(UsageError, match="not finite"):
        render_page([text_only | {"value": [float("nan")] * 6}])
