"""Symbols on disk: made once, made anew when the source changes, whole or absent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rlmem.experiments.lm import tokeniser
from rlmem.experiments.lm.text_files import TextDataError
from rlmem.experiments.lm.token_cache import TokenCacheError, TokenWriter, cache_root, cached_tokens
from rlmem.experiments.lm.tokeniser import learn_characters, make_encoder
from rlmem.experiments.lm.vocabulary import Vocabulary


class Corpus:
    """A source file, and how often it was read."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cache"
        self.source = folder / "source.txt"
        self.source.write_text("abca")
        self.num_built = 0

    def build(self, writer: TokenWriter) -> Vocabulary:
        self.num_built += 1
        text = self.source.read_text()
        vocabulary = learn_characters([text])
        writer.write("text", vocabulary, map(make_encoder(vocabulary), [text[:2], text[2:]]))
        return vocabulary

    def open(self) -> list[int]:
        return list(map(int, cached_tokens(self.root, "corpus", [self.source], self.build).arrays["text"]))

    def folders(self) -> list[str]:
        return sorted(os.listdir(self.root))


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path)


def test_made_once_and_mapped(corpus: Corpus) -> None:
    assert corpus.open() == corpus.open() == [1, 2, 3, 1]
    assert corpus.num_built == 1
    array = cached_tokens(corpus.root, "corpus", [corpus.source], corpus.build).arrays["text"]
    assert isinstance(array, np.memmap)
    assert array.dtype == np.uint8
    assert not array.flags.writeable
    (folder,) = corpus.folders()
    assert sorted(os.listdir(corpus.root / folder)) == ["cache.json", "text.bin"]


def test_made_anew_when_the_source_changes(corpus: Corpus) -> None:
    corpus.open()
    changed = corpus.source.stat().st_mtime_ns
    corpus.source.write_text("cab?")  # as long as before
    os.utime(corpus.source, ns=(changed + 1, changed + 1))
    assert corpus.open() == [4, 2, 3, 1]
    corpus.source.write_text("cab?a")  # another length at the same time
    os.utime(corpus.source, ns=(changed + 1, changed + 1))
    assert len(corpus.open()) == 5
    assert corpus.num_built == 3


def test_made_anew_for_another_tokeniser(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus.open()
    monkeypatch.setattr(tokeniser, "VERSION", tokeniser.VERSION + 1)
    corpus.open()
    assert corpus.num_built == 2


def test_the_first_of_two_to_finish_is_kept(corpus: Corpus) -> None:
    """Another process that makes the same cache finishes while this one is about to."""

    def slow_build(writer: TokenWriter) -> Vocabulary:
        vocabulary = corpus.build(writer)
        assert corpus.open() == [1, 2, 3, 1]
        (finished,) = [name for name in corpus.folders() if not name.startswith(".")]
        (corpus.root / finished / "mark").touch()
        return vocabulary

    tokens = cached_tokens(corpus.root, "corpus", [corpus.source], slow_build)
    assert tokens.arrays["text"].tolist() == [1, 2, 3, 1]
    assert corpus.num_built == 2
    (folder,) = corpus.folders()
    assert (corpus.root / folder / "mark").exists()


def test_two_processes_at_once(tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("abc" * 10_000)
    program = (
        "import sys; from pathlib import Path\n"
        "from rlmem.experiments.lm.token_cache import cached_tokens\n"
        "from rlmem.experiments.lm.tokeniser import learn_characters, make_encoder\n"
        "source = Path(sys.argv[1])\n"
        "def build(writer):\n"
        "    text = source.read_text(); vocabulary = learn_characters([text])\n"
        "    writer.write('text', vocabulary, map(make_encoder(vocabulary), text)); return vocabulary\n"
        "print(cached_tokens(source.parent / 'cache', 'corpus', [source], build).arrays['text'].sum())\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(source)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate() for process in both] == [("60000\n", "")] * 2
    assert len(os.listdir(tmp_path / "cache")) == 1


def test_nothing_is_left_of_one_that_failed(corpus: Corpus) -> None:
    def failing(writer: TokenWriter) -> Vocabulary:
        corpus.build(writer)
        raise TextDataError("the text is bad")

    with pytest.raises(TextDataError, match="the text is bad"):
        cached_tokens(corpus.root, "corpus", [corpus.source], failing)
    assert corpus.folders() == []
    assert corpus.open() == [1, 2, 3, 1]


@pytest.mark.parametrize("change", ["write", "remove"])
def test_a_source_that_changes_while_it_is_read(corpus: Corpus, change: str) -> None:
    def slow_build(writer: TokenWriter) -> Vocabulary:
        vocabulary = corpus.build(writer)
        if change == "write":
            corpus.source.write_text("longer than before")
        else:
            corpus.source.unlink()
        return vocabulary

    message = "changed while they were read" if change == "write" else "source.txt cannot be read: No such file"
    with pytest.raises(TextDataError, match=message):
        cached_tokens(corpus.root, "corpus", [corpus.source], slow_build)
    assert corpus.folders() == []


@pytest.mark.parametrize("damage", ["cut", "longer", "gone", "no json", "other json"])
def test_a_damaged_cache(corpus: Corpus, damage: str) -> None:
    corpus.open()
    folder = corpus.root / corpus.folders()[0]
    if damage in ("cut", "longer"):
        (folder / "text.bin").write_bytes(b"12" if damage == "cut" else b"12345")
    elif damage == "gone":
        (folder / "text.bin").unlink()
    else:
        (folder / "cache.json").write_text("{" if damage == "no json" else json.dumps({"arrays": {}}))
    with pytest.raises(TokenCacheError, match=r"corpus-.* is damaged .*; delete it, it is made anew"):
        corpus.open()


def test_a_cache_that_cannot_be_written(corpus: Corpus) -> None:
    corpus.root.write_text("a file, where the folder should be")
    with pytest.raises(TokenCacheError, match=r"cannot be written .*; give another folder with --cache"):
        corpus.open()


def test_a_disk_that_is_full(corpus: Corpus) -> None:
    def failing(writer: TokenWriter) -> Vocabulary:
        raise OSError(28, "No space left on device")

    with pytest.raises(TokenCacheError, match=r"No space left on device.*; make room"):
        cached_tokens(corpus.root, "corpus", [corpus.source], failing)
    assert corpus.folders() == []


def test_where_caches_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_root("here") == Path("here")
    assert cache_root("~/here") == Path("/home/someone/here")
    assert cache_root("") == Path("/caches/rlmem")
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_root("") == Path("/home/someone/.cache/rlmem")
