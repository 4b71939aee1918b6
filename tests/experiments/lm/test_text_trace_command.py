"""`rlmem trace` on language models' runs: files, what is printed, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlmem.experiments.lm.enwik8 import Enwik8Options
from rlmem.experiments.lm.passage_source import run_spelling
from rlmem.experiments.lm.presets import find_preset
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
from rlmem.experiments.lm.text_summary import visible
from rlmem.experiments.lm.text_trace_page import render_text_page
from rlmem.experiments.lm.training_run import make_model
from rlmem.experiments.lm.wikitext103 import Wikitext103Options

TEXT = "The Pharaohs of Egypt, o Egypt!\nIt lay far away from here.\n" * 40


def make_run(name: str, task: str, options: Any = None, **sizes: Any) -> Path:
    """A run of untrained weights in runs/<task>/<name>."""
    config = find_preset(task, "small")
    small: dict[str, Any] = {"num_layers": 2, "model": 16, "heads": 2, "feedforward": 16, "max_span": 30, "ramp": 4}
    config = replace(
        config,
        options=options or config.options,
        embedding=replace(config.embedding, cutoffs=(4,) if config.embedding.cutoffs else ()),
        model=replace(config.model, **small | sizes),
        run=replace(config.run, device="cpu"),
    )
    corpus = LANGUAGE_TASKS[task].open_corpus(config.options)
    folder = LanguageRunFolder.create(config, corpus, Path("runs"), name)
    model = make_model(config, corpus)
    folder.checkpoints.save(1, model, {"nothing": torch.zeros(1)}, {})
    return folder.path


@pytest.fixture
def bytes_run(here: Path) -> Path:
    """A run on a text of bytes, data/enwik8."""
    Path("data").mkdir()
    Path("data/enwik8").write_text(TEXT)
    return make_run("text", "enwik8", Enwik8Options(data="data"))


def test_a_trained_run_of_a_made_up_task(rlmem: Callable[..., Any], lm_run: Path) -> None:
    finished = rlmem("trace", str(lm_run), "--length", "100", "--start", "3", "--limit", "5", "--replace", "A=B")
    assert finished.code == 0, finished.err
    assert "nothing more than 5 back:" in finished.out
    assert "A → B" in finished.out
    with np.load("trace-run/trace.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    assert (str(arrays["kind"]), int(arrays["format"]), int(arrays["passages"])) == ("text", 1, 2)
    assert arrays["passage_0.symbols"].shape == (100,)
    assert set(arrays["passage_0.pieces"]) == {"A", "B", "copy", "end"}
    np.testing.assert_array_equal(np.isnan(arrays["passage_0.bits"]), arrays["passage_0.targets"] < 0)
    is_answer = np.isin(arrays["passage_0.targets"], [0, 3])
    assert is_answer.sum() == (arrays["passage_0.targets"] >= 0).sum() > 0
    np.testing.assert_allclose(
        arrays["limited.difference"], arrays["limited.bits"] - arrays["passage_0.bits"], equal_nan=True
    )
    summary = json.loads(Path("trace-run/summary.json").read_text())
    assert summary["layers"][0]["span_mean"] == pytest.approx(float(arrays["passage_0.layer_0.span"].mean()))
    assert summary["replaced"][0]["occurrences"] == (arrays["passage_0.symbols"] == 0).sum()
    assert summary["limited"]["bits_after"] == pytest.approx(float(np.nanmean(arrays["limited.bits"])), rel=1e-5)
    page = Path("trace-run/trace.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_one_object_is_printed(rlmem: Callable[..., Any], lm_run: Path) -> None:
    finished = rlmem("trace", str(lm_run), "--text", "A A B B copy A A end", "--json", "--replace", "copy=end")
    summary = json.loads(finished.out)
    assert (summary["passage"], summary["symbols"], summary["predictions"]) == ("a given text", 8, 7)
    assert summary["files"]["page"] == "trace-run/trace.html"
    assert [len(one["span_before_each"]) for one in summary["replaced"][0]["layers"]] == [1, 1]


def test_bytes_from_the_data_from_a_file_and_as_words(rlmem: Callable[..., Any], bytes_run: Path) -> None:
    test_split = TEXT[len(TEXT) * 95 // 100 :]
    assert rlmem("trace", "text", "--start", "7", "--length", "60", "--out", "a").code == 0
    with np.load("a/trace.npz", allow_pickle=False) as stored:
        assert "".join(stored["passage_0.pieces"]) == test_split[7:67]
        assert "".join(stored["passage_0.words"]) == test_split[7:67]
        assert not np.isnan(stored["passage_0.bits"]).any()
    Path("data/enwik8").unlink()  # a text that is given needs no data
    Path("prompt.txt").write_text("Égypte")
    assert rlmem("trace", "text", "--prompt-file", "prompt.txt", "--out", "b").code == 0
    with np.load("b/trace.npz", allow_pickle=False) as stored:
        assert stored["passage_0.pieces"].tolist() == ["É", "", "g", "y", "p", "t", "e"]
        assert np.isnan(stored["passage_0.bits"]).tolist() == [False] * 6 + [True]
    finished = rlmem("trace", "text", "--out", "c")
    assert finished.code == 2
    assert "found no enwik8" in finished.err


def test_the_data_may_lie_elsewhere_and_ends(rlmem: Callable[..., Any], bytes_run: Path) -> None:
    Path("data").rename("moved")
    finished = rlmem("trace", "text", "--data", "moved", "--length", "5000")
    num_test = len(TEXT) - len(TEXT) * 95 // 100
    assert f"the test data ends after {num_test - 1} symbols" in finished.out
    assert finished.code == 0


def test_words_and_what_stands_for_unknown_ones(rlmem: Callable[..., Any], here: Path) -> None:
    Path("wiki.txt").write_text(TEXT)
    cut = "--text", "The Pharaohs lay\nin Egypt, here."
    make_run("words", "wikitext103", Wikitext103Options(data="wiki.txt", cache="cache"))
    finished = rlmem("trace", "words", *cut, "--replace", "Pharaohs=away", "--figure", "figure.pdf")
    assert finished.code == 0, finished.err
    assert "1 symbols of the text are not in the run's vocabulary" in finished.out
    with np.load("trace-words/trace.npz", allow_pickle=False) as stored:
        assert stored["passage_1.pieces"].tolist() == ["The", "away", "lay", "\n", "<unk>", "Egypt,", "here."]
    assert Path("figure.pdf").read_bytes()[:5] == b"%PDF-"
    finished = rlmem("trace", "words", *cut, "--replace", "lay=SpongeBob", "--out", "b")
    assert finished.code == 2
    assert "'SpongeBob' is not in the run's vocabulary" in finished.err


@pytest.mark.parametrize("task", ["collision", "collision-easy", "instruction"])
@pytest.mark.parametrize("memory", ["expire_span", "compressive"])
def test_every_made_up_task_and_kinds_without_spans(
    rlmem: Callable[..., Any], here: Path, task: str, memory: str
) -> None:
    make_run("made", task, memory=memory)
    finished = rlmem("trace", "made", "--length", "300")
    assert finished.code == 0, finished.err
    assert ("kept longest" in finished.out) == (memory == "expire_span")
    names = run_spelling(LanguageRunFolder(Path("runs") / task / "made")).target_names
    with np.load("trace-made/trace.npz", allow_pickle=False) as stored:
        if task == "instruction":
            assert names is None
            assert "target_names" not in stored
        else:
            assert stored["target_names"].tolist() == list(names or ())
            assert np.isnan(stored["passage_0.bits"]).any()


def test_the_figure_shows_the_replaced_word(rlmem: Callable[..., Any], bytes_run: Path) -> None:
    words = ["trace", "text", "--text", TEXT[:300] + "ελλάδα 漢\x07", "--replace", "Egypt=x"]
    assert rlmem(*words, "--figure", "f.png", "--figure-layers", "2").code == 0
    assert Path("f.png").read_bytes()[:4] == b"\x89PNG"
    finished = rlmem(*words, "--figure", "g.png", "--figure-layers", "3", "--out", "b")
    assert "--figure-layers has 3, but the model's layers are 1 to 2" in finished.err
    finished = rlmem(*words, "--figure", "g.png", "--figure-start", "900", "--out", "b")
    assert "--figure-start is 900, but the passage has" in finished.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--replace", "Egypt"], "--replace 'Egypt' is no OLD=NEW"),
        (["--replace", "=x"], "--replace '=x' is no OLD=NEW"),
        (["--text", "a", "--prompt-file", "b"], "--text and --prompt-file were both given"),
        (["--text", "abc", "--start", "1"], "--start is 1, but the text that was given is read from its first symbol"),
        (["--text", ""], "holds no byte to read"),
        (["--length", "0"], "--length is 0, but it must be at least 1"),
        (["--limit", "-1"], "--limit is -1, but it cannot be negative"),
        (["--start", "9000"], "--start is 9,000, but there is less data than that"),
        (["--prompt-file", "none.txt"], "--prompt-file none.txt is no file"),
        (["--figure", "f.gif"], "--figure 'f.gif' has no ending"),
        (["--out", "data/enwik8"], "as data/enwik8 is a file"),
        (["--checkpoint", "step_9"], "holds no step_9; choose one of step_1"),
        (["--text", "Egypt", "--replace", "Rome=x"], "the passage has no whole word 'Rome'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    rlmem: Callable[..., Any], bytes_run: Path, flags: list[str], message: str
) -> None:
    finished = rlmem("trace", "text", *flags)
    assert finished.code != 0
    assert message in " ".join(finished.err.replace("│", " ").split())
    assert "Traceback" not in finished.err
    assert not Path("trace-text").exists()


def test_files_that_exist_are_left(rlmem: Callable[..., Any], bytes_run: Path) -> None:
    assert rlmem("trace", "text", "--length", "9", "--quiet").out == ""
    finished = rlmem("trace", "text", "--length", "9")
    assert "trace-text/trace.npz exists and is not overwritten" in finished.err


def test_a_damaged_vocabulary_and_data_of_a_made_up_task(rlmem: Callable[..., Any], bytes_run: Path) -> None:
    (bytes_run / "vocabulary.json").write_text("{")
    assert "is no whole vocabulary" in rlmem("trace", "text", "--text", "a").err
    make_run("made", "copy")
    finished = rlmem("trace", "made", "--data", "data")
    assert "--data is the place of a text, but copy makes its data up" in finished.err


def test_help_says_that_there_is_more(rlmem: Callable[..., Any], bytes_run: Path) -> None:
    assert "A language model's run reads a passage instead" in " ".join(rlmem("trace", "--help").out.split())
    assert "--prompt-file" in rlmem("trace", "text", "--help").out


def test_a_run_that_is_not_there_is_said_before_its_flags(rlmem: Callable[..., Any], bytes_run: Path) -> None:
    finished = rlmem("trace", "txet", "--prompt-file", "prompt.txt")
    assert "there is no run 'txet'; the newest run is runs/enwik8/text" in finished.err
    assert rlmem("trace", "--length", "9", "text").code == 0  # the run may stand behind its flags


def test_invisible_text_is_made_visible() -> None:
    assert [visible(text) for text in (" ", "a\n", "\t")] == ["·", "a⏎", "⇥"]


def test_a_page_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="this page reads text of format 1"):
        render_text_page({"kind": "text", "format": 2})
