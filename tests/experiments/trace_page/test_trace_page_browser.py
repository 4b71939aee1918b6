"""The trace's page in a real headless Chromium, driven by keys, slider and pointer, held against its payload."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rlmem.experiments.trace_page import render_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Payload = dict[str, Any]

LIT = [0x00, 0x72, 0xB2, 255]
"""The light theme's colour of notable memories that are alive, opaque."""


class Shown:
    """A page on the screen, with what it complained of and asked for."""

    def __init__(self, page: Page, file: Path, payloads: list[Payload]) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.extend([message.text] * (message.type == "error")))
        page.on("request", lambda request: self.requests.append(request.url))
        file.write_text(render_page(payloads), encoding="utf-8")
        page.goto(file.as_uri())

    def step(self) -> int:
        return int(self.page.evaluate("rlmemTrace.step"))

    def go_to(self, step: int) -> None:
        self.page.evaluate("step => rlmemTrace.goTo(step)", step)

    def wait(self, condition: str) -> None:
        """Until a condition holds; the page's security policy allows no evaluation of its own to wait with."""
        look = (
            f"() => new Promise(done => {{ const look = () => {condition} ? done() : setTimeout(look, 10); look(); }})"
        )
        self.page.evaluate(look)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def bars(self, layer: int) -> tuple[float, float, float]:
        """Left, top and width of a layer's timeline on the screen, after it was scrolled there."""
        canvas = self.page.locator("canvas.bars").nth(layer)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        return box["x"], box["y"], box["width"]

    def colour(self, layer: int, x: float, y: float) -> list[int]:
        """Red, green, blue and opacity of a timeline's point in CSS pixels."""
        script = """(canvas, [x, y]) => [...canvas.getContext("2d")
            .getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data]"""
        return list(self.page.locator("canvas.bars").nth(layer).evaluate(script, [x, y]))


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    opened: list[Shown] = []

    def open_page(*payloads: Payload, **options: Any) -> Shown:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, **{"color_scheme": "light"} | options)
        opened.append(Shown(page, tmp_path / "trace.html", list(payloads)))
        return opened[-1]

    yield open_page
    for shown in opened:
        shown.page.close()
        assert shown.complaints == []
        assert [url for url in shown.requests if not url.startswith(("file:", "data:"))] == []


def alive(payload: Payload, layer: int, step: int) -> list[int]:
    stored = payload["layers"][layer]
    rows = zip(stored["birth"], stored["seen_until"], stored["deleted"], strict=True)
    return [slot for slot, (birth, seen, gone) in enumerate(rows) if birth <= step <= seen and not 0 <= gone <= step]


def attention(payload: Payload, layer: int, step: int, slot: int) -> float:
    stored = payload["layers"][layer]
    return base64.b64decode(stored["attention"])[step * len(stored["birth"]) + slot] / 255


def assert_shows(shown: Shown, payload: Payload, step: int) -> None:
    """Everything on the screen is the payload's for this step."""
    assert shown.step() == step
    assert shown.text("#clock") == f"{step} / {payload['num_steps'] - 1}"
    assert shown.page.locator("#slider").input_value() == str(step)
    label = payload["labels"][step]
    assert shown.text("#label") == ("nothing notable" if label == "-" else label)
    assert float(shown.text("#value").replace("−", "-")) == pytest.approx(payload["value"][step], abs=0.00501)
    for layer in range(len(payload["layers"])):
        living = alive(payload, layer, step)
        assert shown.page.evaluate("layer => rlmemTrace.alive(layer)", layer) == living
        count = shown.page.locator(".layer strong").nth(layer).inner_text()
        assert count == f"{len(living)} alive of {len(payload['layers'][layer]['birth'])}"
    shares = [int(text.strip("<%")) for text in shown.page.locator(".action .share").all_inner_texts()]
    assert shares == pytest.approx([100 * share for share in payload["probabilities"][step]], abs=1)
    assert shown.text(".action.chosen").split("\n")[0] == payload["action"][step]
    frames = payload["frames"]
    assert shown.page.locator(".frame").get_attribute("src") == frames["images"][frames["index"][step]]


def test_keys_move_through_the_episode(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    assert_shows(shown, corridor, 0)
    keys = ["ArrowRight", "Shift+ArrowRight", "ArrowLeft", "Shift+ArrowLeft", "End", "ArrowRight", "ArrowLeft", "Home"]
    for key, step in zip(keys, [1, 11, 10, 0, 99, 99, 98, 0], strict=True):
        shown.page.keyboard.press(key)
        assert_shows(shown, corridor, step)


def test_slider_and_its_keys_move_through_the_episode(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    slider = shown.page.locator("#slider")
    slider.fill("57")
    assert_shows(shown, corridor, 57)
    slider.press("Shift+ArrowRight")
    assert_shows(shown, corridor, 67)
    assert "step 67" in (slider.get_attribute("aria-valuetext") or "")


def test_every_step_shows_the_slots_that_the_payload_keeps(show: Any, corridor: Payload, portal: Payload) -> None:
    for payload, stride in ((corridor, 1), (portal, 83)):
        shown = show(payload)
        steps = list(range(0, payload["num_steps"], stride))
        script = "steps => steps.map(step => (rlmemTrace.goTo(step), [0, 1].map(rlmemTrace.alive)))"
        seen = shown.page.evaluate(script, steps)
        assert seen == [[alive(payload, layer, step) for layer in (0, 1)] for step in steps]
        assert shown.page.evaluate("rlmemTrace.lastDrawMilliseconds") > 0


def test_space_and_the_button_play_and_pause(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    shown.page.select_option("#speed", "60")
    shown.page.evaluate("document.activeElement.blur()")
    shown.page.keyboard.press("Space")
    shown.wait("rlmemTrace.step > 2")
    assert shown.page.locator("#play").get_attribute("aria-label") == "Pause"
    shown.page.locator("#play").click()
    assert shown.page.locator("#play").get_attribute("aria-label") == "Play"
    assert_shows(shown, corridor, shown.step())
    shown.go_to(97)
    shown.page.locator("#play").click()
    shown.wait("rlmemTrace.step === 99")
    shown.wait("document.querySelector('#play').ariaLabel === 'Play'")


def test_living_bars_are_lit_and_the_others_dim(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    _, _, width = shown.bars(0)
    first_steps_in_layer_2 = (width * 0.03, 2.0)  # the topmost bar there, kept longest, gone by the end
    shown.go_to(20)
    assert shown.colour(0, width / 2, 12) == LIT
    assert shown.colour(1, *first_steps_in_layer_2) == LIT
    shown.go_to(99)
    assert shown.colour(0, width / 2, 12) == LIT
    assert 0 < shown.colour(1, *first_steps_in_layer_2)[3] < 128


def test_pointing_shows_a_memory_and_a_click_pins_it(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    shown.go_to(99)
    left, top, width = shown.bars(0)
    shown.page.mouse.move(left + width / 2, top + 24)  # the second lane: the object at step 1
    assert shown.text("#card h2") == "Memory"
    assert shown.text("#card-label") == corridor["labels"][1]
    assert shown.text("#card .note") == "layer 1, made at step 1, kept 98 steps"
    assert shown.text("#card-attention") == f"{attention(corridor, 0, 99, 1):.0%}"
    picture = shown.page.locator("#card .pictures img").first.get_attribute("src")
    assert picture == corridor["frames"]["images"][corridor["frames"]["index"][1]]
    shown.page.mouse.click(left + width / 2, top + 24)
    shown.page.mouse.move(2, 2)
    assert shown.text("#card h2") == "Pinned memory"
    shown.page.keyboard.press("Escape")
    assert shown.text("#card h2") == "Most attended now"


def test_memories_can_be_walked_and_pinned_by_keyboard(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    shown.go_to(50)
    bars = shown.page.locator("canvas.bars").first
    bars.press("ArrowDown")
    assert shown.text("#card .note").startswith("layer 1, made at step 0,")
    bars.press("ArrowDown")
    assert shown.text("#card .note").startswith("layer 1, made at step 1,")
    bars.press("Enter")
    bars.press("End")
    assert shown.text("#card h2") == "Pinned memory"
    assert_shows(shown, corridor, 99)


def test_longest_kept_are_ranked_and_lead_to_their_memory(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    rows = shown.page.locator(".longest .row")
    assert rows.nth(0).inner_text().startswith("blue object · kept 99 steps, to the end\nfrom step 0, ")
    assert rows.nth(1).inner_text().startswith("blue object · kept 98 steps, to the end\nfrom step 1, ")
    rows.nth(1).click()
    column = [attention(corridor, 0, step, 1) for step in range(2, 100)]
    assert shown.step() == 2 + column.index(max(column))
    assert shown.text("#card .note").startswith("layer 1, made at step 1,")


def test_each_layer_says_what_it_kept_longest(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    stored = corridor["layers"][0]
    kept = [seen - birth for seen, birth in zip(stored["seen_until"], stored["birth"], strict=True)]
    others = [steps for steps, label in zip(kept, corridor["labels"], strict=True) if label != "blue object"]
    expected = f"blue object kept {(99 + 98) / 2:.1f} steps on average, all others {sum(others) / len(others):.1f}"
    assert shown.page.locator(".layer .facts").first.inner_text().endswith(expected)


def test_an_erasure_leads_to_where_it_was_felt(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    rows = shown.page.locator("#erasures tbody tr")
    assert rows.count() == len(corridor["erasures"])
    cells = rows.nth(0).locator("td").all_inner_texts()
    assert [text.strip() for text in cells[:5]] == ["blue object", "layer 1, step 0", "1.93", "step 99", "−0.48"]
    assert "all layers" in rows.nth(1).inner_text()
    pair = rows.nth(0).locator("[role=img]").first.get_attribute("aria-label")
    assert pair == "north: 7% before, 96% after"
    rows.nth(1).locator("button").press("Enter")
    assert_shows(shown, corridor, 99)
    assert shown.text("#card .note").startswith("layer 1, made at step 1,")
    assert "selected" in (rows.nth(1).get_attribute("class") or "")


def test_zoom_keeps_the_step_in_sight_and_clicks_hit_it(show: Any, portal: Payload) -> None:
    shown = show(portal)
    shown.go_to(600)
    for _ in range(4):
        shown.page.keyboard.press("+")
    assert shown.page.locator("#scroller").is_visible()
    overview = shown.page.locator("#overview")
    box = overview.bounding_box()
    assert box is not None
    overview.click(position={"x": box["width"] - 2, "y": 20})
    assert 600 < shown.step() <= 600 + 1000 / 16
    shown.page.keyboard.press("0")
    assert not shown.page.locator("#scroller").is_visible()
    overview.click(position={"x": box["width"] - 2, "y": 20})
    assert shown.step() >= 995


def test_theme_follows_the_system_until_it_is_switched(show: Any, text_only: Payload) -> None:
    shown = show(text_only, color_scheme="dark")
    theme = "document.documentElement.dataset.theme"
    assert shown.page.evaluate(theme) == "dark"
    shown.page.locator("#theme").click()
    assert shown.page.evaluate(theme) == "light"


def test_another_episode_can_be_chosen(show: Any, corridor: Payload, short_corridor: Payload) -> None:
    shown = show(corridor, short_corridor)
    shown.go_to(80)
    assert shown.page.locator("#erasures").is_visible()
    shown.page.select_option("#episode", "1")
    assert shown.text("#title") == "another corridor"
    assert_shows(shown, short_corridor, 0)
    assert not shown.page.locator("#erasures").is_visible()


def test_texts_alone_and_pooled_slots(show: Any, text_only: Payload) -> None:
    shown = show(text_only)
    assert shown.text("#title") == text_only["title"]
    assert shown.text("#label") == "<i>a</i>"
    assert shown.page.locator("#now img").count() == 0
    living = [shown.page.evaluate("step => (rlmemTrace.goTo(step), rlmemTrace.alive(0))", step) for step in range(6)]
    assert living == [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4, 6], [3, 4, 5, 6]]


def test_marking_words_changes_what_is_coloured(show: Any, corridor: Payload) -> None:
    shown = show(corridor)
    _, _, width = shown.bars(0)
    shown.go_to(99)
    shown.page.fill("#mark", "red door")
    assert shown.colour(0, width / 2, 12) == [0x8F, 0x99, 0xA3, 255]
    shown.page.fill("#mark", "object")
    assert shown.colour(0, width / 2, 12) == LIT


def test_a_memory_without_single_memories_still_shows_its_episode(show: Any, corridor: Payload) -> None:
    recurrent = corridor | {"memory": "lstm", "layers": [], "erasures": []}
    shown = show(recurrent)
    shown.page.keyboard.press("Shift+ArrowRight")
    assert_shows(shown, recurrent, 10)
    assert "no single memories" in shown.text("#layers")
