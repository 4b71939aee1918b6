"""enwik8 from a raw file, a zip or a sample, and what it says when it cannot."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from rlmem.errors import RlmemError, UsageError
from rlmem.experiments.lm import enwik8
from rlmem.experiments.lm.enwik8 import PAPER_OPTIONS, Enwik8Options, open_text
from rlmem.experiments.lm.text_files import TextDataError
from rlmem.experiments.lm.vocabulary import BYTES

CONTENT = bytes(range(200)) * 5  # 1,000 bytes, most of them no UTF-8


def options(data: Path) -> Enwik8Options:
    return Enwik8Options(str(data), cache=str(data.parent / "cache"))


def zipped(path: Path, name: str = "enwik8", content: bytes = CONTENT) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("kind", ["folder", "file", "folder with zip", "zip", "other name"])
def test_the_three_splits(folder: Path, kind: str) -> None:
    data = folder / {"zip": "enwik8.zip", "other name": "sample", "file": "enwik8"}.get(kind, "")
    if "zip" in kind:
        zipped(folder / "enwik8.zip")
    else:
        (folder / ("sample" if kind == "other name" else "enwik8")).write_bytes(CONTENT)
    text = open_text(options(data))
    assert text.vocabulary == BYTES
    assert [text.splits[split].tobytes() for split in ("train", "valid", "test")] == [
        CONTENT[:900],
        CONTENT[900:950],
        CONTENT[950:],
    ]
    assert all(isinstance(symbols, np.memmap) for symbols in text.splits.values())
    (notice,) = text.notices
    assert "is not the whole enwik8: 1,000 bytes of 100,000,000" in notice
    assert "into 900 / 50 / 50" in notice


def test_the_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "enwik8").write_bytes(CONTENT)
    monkeypatch.setattr(enwik8, "_WHOLE", 1000)
    assert open_text(Enwik8Options(str(folder), whole=True)).notices == ()


def test_ninety_million_bytes_to_train_on(folder: Path) -> None:
    with (folder / "enwik8").open("wb") as file:
        file.truncate(100_000_000)  # takes no room on disk
    text = open_text(Enwik8Options(str(folder), whole=True))
    assert [len(text.splits[split]) for split in ("train", "valid", "test")] == [90_000_000, 5_000_000, 5_000_000]
    assert PAPER_OPTIONS.whole


def test_streams(folder: Path) -> None:
    (folder / "enwik8").write_bytes(CONTENT)
    stream = open_text(options(folder)).stream("valid", batch=1, seed=0)
    block = stream.next_block(49)
    assert block is not None
    assert bytes(block.inputs[0].tolist()) == CONTENT[900:949]
    assert bytes(block.targets[0].tolist()) == CONTENT[901:950]
    assert stream.next_block(49) is None


def test_a_sample_where_all_of_it_is_wanted(folder: Path) -> None:
    (folder / "enwik8").write_bytes(CONTENT)
    with pytest.raises(UsageError, match=r"1,000 bytes of 100,000,000.*--whole asks for all of it"):
        open_text(Enwik8Options(str(folder), whole=True))


def test_no_data(folder: Path) -> None:
    with pytest.raises(UsageError, match="--data is missing: enwik8 reads a corpus"):
        open_text(Enwik8Options())
    with pytest.raises(UsageError, match=r"nowhere does not exist; give the file enwik8 or enwik8\.zip"):
        open_text(options(folder / "nowhere"))
    with pytest.raises(UsageError, match=f"looked for {folder}/enwik8 and {folder}/enwik8.zip"):
        open_text(options(folder))


@pytest.mark.parametrize("size", [0, 39])
def test_too_little(folder: Path, size: int) -> None:
    (folder / "enwik8").write_bytes(CONTENT[:size])
    with pytest.raises(UsageError, match=f"has {size} bytes, too few to be split"):
        open_text(options(folder))


@pytest.mark.parametrize("damage", ["cut", "changed", "no zip", "empty"])
def test_a_damaged_zip(folder: Path, damage: str) -> None:
    path = zipped(folder / "enwik8.zip", content=np.random.default_rng(0).bytes(5000))
    whole = path.read_bytes()
    content = {"cut": whole[:2000], "no zip": b"Not Found", "empty": b""}.get(damage)
    path.write_bytes(whole[:2000] + bytes(10) + whole[2010:] if content is None else content)
    with pytest.raises(TextDataError, match=r"enwik8\.zip is damaged or was cut short .*; get it again"):
        open_text(options(folder))


def test_zips_of_something_else(folder: Path) -> None:
    path = zipped(folder / "enwik8.zip", name="other.txt")
    with pytest.raises(TextDataError, match=r"holds no file enwik8, but other\.txt"):
        open_text(options(path))
    content = bytearray(zipped(path).read_bytes())
    content[6] |= 1  # says that it is encrypted, beside the file and in the list of contents
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(TextDataError, match=r"cannot be unpacked .*encrypted.*; unpack it yourself"):
        open_text(options(path))


def test_errors_are_what_the_command_line_prints() -> None:
    assert issubclass(TextDataError, RlmemError)
