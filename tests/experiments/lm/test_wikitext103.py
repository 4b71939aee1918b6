"""WikiText-103 from its files, other files of that format or one file, and what it says when it cannot."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlmem.errors import UsageError
from rlmem.experiments.lm import wikitext103
from rlmem.experiments.lm.text_files import TextDataError
from rlmem.experiments.lm.tokeniser import decode
from rlmem.experiments.lm.wikitext103 import PAPER_OPTIONS, Wikitext103Options, open_text

TRAIN = " \n = Lobster = \n \n the lobster of the <unk> sea . \n"
VALID = " the lobster of Homarus\n"
TEST = " the sea ."  # whose last line has no end


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for split, text in {"train": TRAIN, "valid": VALID, "test": TEST}.items():
        (folder / f"wiki.{split}.tokens").write_text(text)
    return folder


def options(data: Path, **files: Any) -> Wikitext103Options:
    return replace(Wikitext103Options(str(data), str(data.parent / "cache")), **files)


def texts(given: Wikitext103Options) -> dict[str, str]:
    text = open_text(given)
    return {split: decode(text.vocabulary, symbols) for split, symbols in text.splits.items()}


def test_the_three_splits(folder: Path) -> None:
    assert texts(options(folder)) == {
        "train": "\n= Lobster =\n\nthe lobster of the <unk> sea .\n",
        "valid": "the lobster of <unk>\n",
        "test": "the sea .\n",
    }
    text = open_text(options(folder))
    assert text.vocabulary.symbols == ("<eos>", "=", "the", ".", "<unk>", "Lobster", "lobster", "of", "sea")
    (notice,) = text.notices
    assert notice.endswith("is not the whole WikiText-103: 14 / 5 / 4 words of 103,227,021 / 217,646 / 245,569.")


def test_txt_and_other_names(folder: Path) -> None:
    expected = texts(options(folder))
    for split in ("train", "valid", "test"):
        (folder / f"wiki.{split}.tokens").rename(folder / f"wiki.{split}.txt")
    assert texts(options(folder)) == expected
    for split in ("train", "valid", "test"):
        (folder / f"wiki.{split}.txt").rename(folder / f"my-{split}")
    assert texts(options(folder, train_file="my-train", valid_file="my-valid", test_file="my-test")) == expected
    here = {f"{split}_file": str(folder / f"my-{split}") for split in ("train", "valid", "test")}
    assert texts(replace(options(folder, **here), data="")) == expected


def test_one_file_is_split_by_lines(folder: Path) -> None:
    lines = [f"line {number:02}\n" for number in range(100)]
    path = folder / "text"
    path.write_text("".join(lines))
    assert texts(options(path))["train"] == "".join(lines[:90])
    text = open_text(options(path))
    assert [len(symbols) for symbols in text.splits.values()] == [270, 15, 15]
    assert "95" not in text.vocabulary.symbols
    assert f"{path}, split 90 / 5 / 5 per cent by lines, is not the whole" in text.notices[0]


def test_one_file_for_validation_and_test_is_said(folder: Path) -> None:
    given = {"train_file": "wiki.train.tokens", "valid_file": "wiki.valid.tokens", "test_file": "wiki.valid.tokens"}
    assert "validation and test text are the same" in open_text(options(folder, **given)).notices[0]


def test_streams(folder: Path) -> None:
    text = open_text(options(folder))
    block = text.stream("valid", batch=2, seed=0).next_block(2)
    assert block is not None
    names = text.vocabulary.symbols
    assert [[names[symbol] for symbol in row] for row in block.targets.tolist()] == [
        ["lobster", "of"],
        ["<unk>", "<eos>"],
    ]


def test_the_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PAPER_OPTIONS.whole
    whole = Wikitext103Options(str(folder), str(folder.parent / "cache"), whole=True)
    with pytest.raises(UsageError, match=r"14 / 5 / 4 words of .*, but --whole asks for all"):
        open_text(whole)
    monkeypatch.setattr(wikitext103, "_WHOLE", {"train": 14, "valid": 5, "test": 4})
    assert open_text(whole).notices == ()


def test_no_data(folder: Path) -> None:
    with pytest.raises(UsageError, match="--data is missing: wikitext103 reads a corpus"):
        open_text(Wikitext103Options())
    (folder / "wiki.valid.tokens").unlink()
    looked_for = re.escape(f"looked for {folder}/wiki.valid.tokens and {folder}/wiki.valid.txt")
    with pytest.raises(UsageError, match=f"found no valid text: {looked_for}"):
        open_text(options(folder))
    with pytest.raises(UsageError, match=f"found no test text: looked for {folder}/mine"):
        open_text(options(folder, train_file="wiki.train.tokens", valid_file="wiki.test.tokens", test_file="mine"))


def test_files_that_cannot_go_together(folder: Path) -> None:
    with pytest.raises(UsageError, match="go together: give all three"):
        Wikitext103Options(train_file="a", test_file="b")
    with pytest.raises(UsageError, match="is also a text to be tested on"):
        open_text(
            options(
                folder,
                train_file="wiki.train.tokens",
                valid_file="wiki.valid.tokens",
                test_file="../data/wiki.train.tokens",
            )
        )


def test_bytes_that_are_no_utf8(folder: Path) -> None:
    (folder / "wiki.valid.tokens").write_bytes(b" the lob\xffster\n")
    with pytest.raises(TextDataError, match=r"wiki\.valid\.tokens is no UTF-8 text: byte 8 is 0xff"):
        open_text(options(folder))


def test_a_split_without_words(folder: Path) -> None:
    (folder / "wiki.test.tokens").write_text("")
    with pytest.raises(TextDataError, match=r"wiki\.test\.tokens gives no test split: it is empty or too short"):
        open_text(options(folder))
    path = folder / "text"
    path.write_text("one line\n")
    with pytest.raises(TextDataError, match="text gives no valid split"):
        open_text(options(path))
