"""The page of a text's trace in a real headless Chromium, driven by keys and pointer, held against trace.npz."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from rlmem.experiments.lm.passage import Spelling
from rlmem.experiments.lm.text_readings import Readings, read_passage
from rlmem.experiments.lm.text_trace_files import write_readings
from rlmem.experiments.lm.text_trace_page import render_text_page
from rlmem.experiments.lm.text_trace_payload import TextContext, readings_payload
from rlmem.experiments.lm.vocabulary import BYTES, Vocabulary
from rlmem.language_model import LanguageModel, VocabularyConfig
from rlmem.model_config import MemoryKind, ModelConfig

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Arrays = Mapping[str, np.ndarray]

TEXT = "The Pharaohs of Egypt,\no Egypt! It lay <b>far</b> from  <here>, é said.\n" * 6
NAMES = ("A", "B", "copy", "end")


def read(
    spelling: Spelling, symbols: list[int], memory: MemoryKind = "expire_span", is_first: Any = None, **asked: Any
) -> Readings:
    """Readings by a model whose first layer keeps capital letters and lets all else go."""
    torch.manual_seed(2)
    size = spelling.vocabulary.num_symbols
    config = ModelConfig(
        num_layers=3, model=16, heads=2, feedforward=16, position_reach=10, max_span=100, ramp=8, memory=memory
    )
    model = LanguageModel(config, VocabularyConfig(size, size))
    if memory == "expire_span":
        first, second, _ = model.core.layer_list()
        with torch.no_grad():
            model.embedding.weight[:, 0] = -1.0  # type: ignore[operator]
            capitals = [number for number, name in enumerate(spelling.vocabulary.symbols) if "A" <= name[0] <= "Z"]
            model.embedding.weight[capitals, 0] = 6.0  # type: ignore[operator]
            first.memory.weight[0] = 6.0  # type: ignore[operator]
            first.memory.bias.fill_(-5.0)  # type: ignore[operator]
            torch.nn.init.normal_(second.memory.weight)  # type: ignore[arg-type]
    return read_passage(model, spelling, spelling.passage(symbols, is_first=is_first), **asked)


@pytest.fixture(scope="module")
def text() -> Readings:
    spelling = Spelling(BYTES)
    symbols = spelling.encode(TEXT).tolist()
    return read(spelling, symbols, replacements=[("Egypt", "somewhere"), ("Egypt", "SpongeBob SquarePants")], limit=9)


class Shown:
    """A page on the screen, the arrays of its trace.npz, and what the page complained of and asked for."""

    def __init__(self, page: Page, folder: Path, readings: Readings, memory: str, **options: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.extend([message.text] * (message.type == "error")))
        page.on("request", lambda request: self.requests.append(request.url))
        write_readings(folder / "trace.npz", readings)
        with np.load(folder / "trace.npz", allow_pickle=False) as stored:
            self.arrays: Arrays = dict(stored)
        context = TextContext("a <run> & a text", "enwik8", memory, 100, 8)
        page_file = folder / "trace.html"
        page_file.write_text(render_text_page(readings_payload(readings, context, **options)), encoding="utf-8")
        page.goto(page_file.as_uri())

    def state(self) -> tuple[int, int, int]:
        """Reading, layer, symbol."""
        step, layer, reading = self.page.evaluate("[rlmemText.step, rlmemText.layer, rlmemText.reading]")
        return reading, layer, step

    def go_to(self, step: int) -> None:
        self.page.evaluate("step => rlmemText.goTo(step)", step)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def of(self, name: str, reading: int = 0, layer: int | None = None) -> np.ndarray:
        """An array of a reading."""
        return self.arrays[f"passage_{reading}." + (name if layer is None else f"layer_{layer}.{name}")]

    def levels(self) -> list[int]:
        """The level of every symbol's colour."""
        count = len(self.page.locator("#text [data-i]").all())
        levels: list[int] = self.page.evaluate("n => [...Array(n).keys()].map(rlmemText.level)", count)
        return levels


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    opened: list[Shown] = []

    def open_page(readings: Readings, memory: str = "expire_span", scheme: str = "light", **options: Any) -> Shown:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
        opened.append(Shown(page, tmp_path, readings, memory, **options))
        return opened[-1]

    yield open_page
    for shown in opened:
        shown.page.close()
        assert shown.complaints == []
        assert [url for url in shown.requests if not url.startswith(("file:", "data:"))] == []


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(re.sub(r"[^\d.]", "", text.split("\n")[0])) * (0.5 if text.startswith("<") else 1)


def assert_shows(shown: Shown, reading: int, layer: int, step: int) -> None:
    """Card, strips and clock are the arrays' for this symbol."""
    assert shown.state() == (reading, layer, step)
    pieces, bits = shown.of("pieces", reading), shown.of("bits", reading)
    assert shown.text("#clock") == f"{step} / {len(pieces) - 1}"
    name = {" ": "·", "\n": "⏎", "": "a byte"}.get(pieces[step], pieces[step])
    assert shown.page.locator("#label q").first.inner_text() == name
    cost = shown.text("#cost")
    assert (cost == "not predicted") if step == 0 else number(cost) == pytest.approx(bits[step - 1], abs=0.006)
    if np.isnan(bits[step]):
        assert shown.text("#next") == "nothing asked"
    else:
        assert number(shown.text("#next").split(", ")[-2]) == pytest.approx(bits[step], abs=0.006)
    rows = shown.page.locator("#card tbody tr").all()
    for one, row in enumerate(rows):
        cells = row.locator("td").all_inner_texts()
        span = float(shown.of("span", reading, one)[step])
        assert number(cells[1]) == pytest.approx(span, abs=max(0.006, 0.51 * (span >= 100), 0.051 * (span >= 10)))
        assert number(cells[2]) == shown.of("expiry", reading, one)[step]
        assert ("past the end" in cells[2]) == (shown.of("expiry", reading, one)[step] > len(pieces))
        assert number(cells[3]) == pytest.approx(float(shown.of("attention", reading, one)[step]), abs=0.06)
        seen_until = shown.of("seen_until", reading, one)
        alive = np.flatnonzero(seen_until[:step] >= step).tolist()
        assert shown.page.evaluate("layer => rlmemText.alive(layer)", one) == alive
        assert shown.page.locator(".strip-row span").nth(one).inner_text() == f"{len(alive)} alive"


def test_arrow_keys_move_the_symbol_and_the_layer(show: Any, text: Readings) -> None:
    shown = show(text)
    shown.page.evaluate("rlmemText.setLayer(0)")
    assert_shows(shown, 0, 0, 0)
    last = len(shown.of("pieces")) - 1
    keys = {
        "ArrowRight": (0, 1), "Shift+ArrowRight": (0, 11), "ArrowUp": (1, 11), "ArrowLeft": (1, 10),
        "ArrowDown": (0, 10), "End": (0, last), "Shift+ArrowLeft": (0, last - 10), "Home": (0, 0),
    }  # fmt: skip
    for key, (layer, step) in keys.items():
        shown.page.keyboard.press(key)
        assert_shows(shown, 0, layer, step)


def test_the_text_is_on_the_screen_with_its_blanks(show: Any, text: Readings) -> None:
    shown = show(text)
    assert shown.text("#title") == "a <run> & a text"
    lines = shown.page.locator("#text p").all_text_contents()
    assert "\n".join(line.replace("·", " ") for line in lines) == TEXT.replace("\n", "⏎\n")
    assert shown.page.locator("#text b").count() == 0  # the text's own <b> is text


def test_colours_grow_with_the_span_of_the_layer(show: Any, text: Readings) -> None:
    shown = show(text)
    for layer in range(2):
        shown.page.evaluate("layer => rlmemText.setLayer(layer)", layer)
        order = np.argsort(shown.of("span", layer=layer), kind="stable")
        levels = np.array(shown.levels())[order]
        assert levels[0] == 0
        assert levels[-1] == 15
        assert (np.diff(levels) >= 0).all()
    shown.page.evaluate("rlmemText.setLayer(0)")
    is_kept = np.array(["A" <= piece[:1] <= "Z" for piece in shown.of("pieces")])
    assert set(np.array(shown.levels())[is_kept]) == {15}
    assert set(np.array(shown.levels())[~is_kept]) == {0}
    shown.page.keyboard.press("c")
    assert shown.page.locator("#colour").input_value() == "attention"
    assert shown.levels()[int(shown.of("attention", layer=0).argmax())] == 15
    shown.page.keyboard.press("c")
    bits = shown.of("bits")[:-1]
    assert shown.levels()[1 + int(bits.argmax())] == 15  # on the symbol that cost so much


def test_pointing_shows_a_symbol_and_a_click_goes_there(show: Any, text: Readings) -> None:
    shown = show(text)
    shown.page.evaluate("rlmemText.setLayer(0)")
    symbol = shown.page.locator("#text [data-i='16']")
    symbol.hover()
    assert shown.text("#card h2") == "Pointed at"
    assert shown.text("#label") == "E of Egypt"
    assert shown.state() == (0, 0, 0)
    symbol.click()
    shown.page.mouse.move(1, 1)
    assert_shows(shown, 0, 0, 16)
    assert "current" in (symbol.get_attribute("class") or "")


def test_what_a_layer_remembers_is_written_out(show: Any, text: Readings) -> None:
    shown = show(text)
    shown.page.evaluate("rlmemText.setLayer(0)")
    shown.go_to(40)
    old = [place for place in range(32) if "A" <= TEXT[place] <= "Z"]
    remembered = shown.page.locator("#alive-text b").evaluate_all("all => all.map(one => Number(one.dataset.i))")
    assert remembered[: len(old)] == old
    assert shown.text("#alive-text").startswith("T…P…E…E…I")


def test_longest_kept_words_are_ranked_and_lead_there(show: Any, text: Readings) -> None:
    shown = show(text)
    shown.page.evaluate("rlmemText.setLayer(0)")
    words, word_of, span = shown.of("words"), shown.of("word_of"), shown.of("span", layer=0)
    rows = shown.page.locator("#longest .row")
    ranked = [rows.nth(place).locator("b").inner_text() for place in range(5)]
    assert set(ranked[:4]) == {"The", "Pharaohs", "Egypt", "It"}
    egypt = rows.nth(ranked.index("Egypt"))
    kept = [span[word_of == word].max() for word in np.flatnonzero(words == "Egypt")]
    assert number(egypt.locator("span").inner_text()) == pytest.approx(np.mean(kept), abs=0.6)
    assert egypt.locator("small").inner_text().startswith(f"{len(kept)} times, longest ")
    assert number(rows.nth(4).locator("span").inner_text()) < 1
    egypt.click()
    _, _, step = shown.state()
    assert words[word_of[step]] == "Egypt"


def test_replaced_words_stand_beside_the_original(show: Any, text: Readings) -> None:
    shown = show(text)
    shown.page.evaluate("rlmemText.setLayer(0)")
    shown.go_to(16)
    cells = shown.page.locator("#replacements table").nth(0).locator("tbody tr").first.locator(".change span")
    assert number(cells.nth(0).inner_text()) == pytest.approx(float(shown.of("span", layer=0)[16]), abs=0.6)
    assert number(cells.nth(1).inner_text()) < 0.1
    shown.page.keyboard.press("]")
    assert_shows(shown, 1, 0, shown.state()[2])
    put = shown.page.locator("#text .put").evaluate_all("all => all.map(one => Number(one.dataset.i))")
    assert put == np.flatnonzero(shown.of("replaced.original", 1) < 0).tolist()
    shown.page.select_option("#colour", "change")
    assert "shorter" not in "".join(
        shown.page.locator("#text .put").evaluate_all("all => all.map(one => one.className)")
    )
    shown.page.locator("#replacements table").nth(1).locator("tbody tr").nth(1).locator("button").first.click()
    place = int(shown.of("replaced.new_places", 2)[0, 0])
    assert_shows(shown, 2, 1, place)
    shown.page.keyboard.press("[")
    assert shown.state()[0] == 1


def test_predictions_that_need_the_memory_are_listed(show: Any, text: Readings) -> None:
    shown = show(text)
    difference = shown.arrays["limited.difference"]
    row = shown.page.locator("#limit tbody tr").first
    worst = int(np.nanargmax(difference))
    assert row.locator("button").inner_text() == f"symbol {worst}"
    before, after = (number(one) for one in row.locator(".change span").all_inner_texts())
    assert after - before == pytest.approx(difference[worst], abs=0.011)
    row.locator("button").click()
    assert shown.state()[0] == 3
    assert shown.state()[2] == worst
    shown.page.select_option("#colour", "worse")
    symbol = shown.page.locator(f"#text [data-i='{worst + 1}']")
    assert re.search(r"\bshorter\d+", symbol.get_attribute("class") or "")


def test_all_layers_can_be_stacked_and_the_theme_switched(show: Any, text: Readings) -> None:
    shown = show(text, scheme="dark")
    assert shown.page.evaluate("document.documentElement.dataset.theme") == "dark"
    for _ in range(4):
        shown.page.keyboard.press("ArrowUp")
    assert shown.state()[1] == 3
    image = shown.page.locator("#text [data-i='16']").evaluate("one => one.style.backgroundImage")
    assert image.count("var(--s") == 3  # a band a layer
    dark = shown.page.locator("#legend-bar").evaluate("one => getComputedStyle(one).backgroundImage")
    shown.page.locator("#theme").click()
    assert shown.page.evaluate("document.documentElement.dataset.theme") == "light"
    assert shown.page.locator("#legend-bar").evaluate("one => getComputedStyle(one).backgroundImage") != dark


def test_words_stories_and_kinds_without_spans(show: Any) -> None:
    spelling = Spelling(Vocabulary("word", NAMES, None))
    symbols = [0, 0, 1, 1, 1, 2, 0, 0, 3] * 3
    is_first = [place % 9 == 0 for place in range(27)]
    shown = show(read(spelling, symbols, "transformer_xl", is_first), "transformer_xl")
    assert shown.page.locator("#text .story").count() == 2
    shown.go_to(20)
    assert shown.page.evaluate("rlmemText.alive(0)") == [18, 19]
    assert "Every symbol is kept for the same time, 100 symbols" in shown.text("#longest")
    assert shown.page.locator("#card th").nth(1).inner_text() == "Window"
    assert shown.text("#alive-text").split() == ["A", "A"]
    shown.go_to(9)
    assert shown.text("#cost") == "not predicted"


def test_a_long_passage_is_shown_in_part(show: Any, text: Readings) -> None:
    shown = show(text, page_symbols=50)
    assert shown.page.locator("#text [data-i]").count() == 50
    assert shown.text("#shown-part") == f"the first 50 of {len(shown.of('pieces'))} symbols; trace.npz has all"
    shown.page.keyboard.press("End")
    assert shown.state()[2] == 49
