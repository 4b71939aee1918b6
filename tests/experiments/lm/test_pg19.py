"""PG-19 from its folders, and what it says when it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rlmem.errors import UsageError
from rlmem.experiments.lm import pg19
from rlmem.experiments.lm.pg19 import PAPER_OPTIONS, Pg19Options, open_text
from rlmem.experiments.lm.text_files import TextDataError
from rlmem.experiments.lm.tokeniser import decode

BOOKS = {
    "train/10.txt": "Ein Büch\r\n",
    "train/2.txt": "lein.",
    "train/README": "Q",
    "validation/1.txt": "Eine Xe",
    "test/1.txt": "leer",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in BOOKS.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return tmp_path / "data"


def options(data: Path) -> Pg19Options:
    return Pg19Options(str(data), cache=str(data.parent / "cache"))


def test_the_three_splits(folder: Path) -> None:
    text = open_text(options(folder))
    assert text.vocabulary.symbols == ("<unk>", *sorted(set("Ein Büch\r\nlein.")))
    texts = {split: decode(text.vocabulary, symbols) for split, symbols in text.splits.items()}
    assert texts == {"train": "Ein Büch\r\nlein.", "valid": "Eine <unk>e", "test": "leer".replace("r", "<unk>")}
    assert len(text.splits["valid"]) == 7
    (notice,) = text.notices
    assert notice.endswith("is not the whole PG-19: 2 / 1 / 1 books of 28,602 / 50 / 100.")


def test_streams(folder: Path) -> None:
    text = open_text(options(folder))
    block = text.stream("test", batch=1, seed=0).next_block(3)
    assert block is not None
    assert decode(text.vocabulary, block.inputs[0].tolist()) == "lee"


def test_the_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PAPER_OPTIONS.whole
    whole = Pg19Options(str(folder), str(folder.parent / "cache"), whole=True)
    with pytest.raises(UsageError, match="2 / 1 / 1 books of 28,602 / 50 / 100, but --whole asks for all"):
        open_text(whole)
    monkeypatch.setattr(pg19, "_WHOLE", {"train": 2, "valid": 1, "test": 1})
    assert open_text(whole).notices == ()


def test_another_book_makes_the_cache_anew(folder: Path) -> None:
    assert "Q" not in open_text(options(folder)).vocabulary.symbols
    (folder / "train" / "3.txt").write_text("Q")
    assert "Q" in open_text(options(folder)).vocabulary.symbols


@pytest.mark.parametrize(("name", "offset"), [("train/2.txt", 3), ("test/1.txt", 4)])
def test_bytes_that_are_no_utf8(folder: Path, name: str, offset: int) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:offset] + b"\xe9" + path.read_bytes()[offset:])
    with pytest.raises(TextDataError, match=rf"{name} is no UTF-8 text: byte {offset} is 0xe9 .*; convert the file"):
        open_text(options(folder))


def test_the_place_of_a_bad_byte_beyond_the_first_piece(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmem.experiments.lm.text_files._PIECE", 16)
    (folder / "train" / "2.txt").write_bytes(b"0123456789 a line\n" * 100 + b"\xff")
    with pytest.raises(TextDataError, match="byte 1,800 is 0xff"):
        open_text(options(folder))


def test_no_data(folder: Path) -> None:
    with pytest.raises(UsageError, match="--data is missing: pg19 reads a corpus"):
        open_text(Pg19Options())
    with pytest.raises(UsageError, match=r"is a file; give the folder that holds PG-19's folders train, validation"):
        open_text(options(folder / "train" / "2.txt"))
    (folder / "test" / "1.txt").unlink()
    (folder / "validation" / "1.txt").rename(folder / "validation" / "1")
    looked_for = re.escape(f"looked for {folder}/validation/*.txt and {folder}/test/*.txt")
    with pytest.raises(UsageError, match=looked_for):
        open_text(options(folder))


def test_a_split_without_text(folder: Path) -> None:
    (folder / "test" / "1.txt").write_text("")
    with pytest.raises(TextDataError, match=r"the books in .*test are empty"):
        open_text(options(folder))
