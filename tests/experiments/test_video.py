"""Videos, read back; and what is said where there is no ffmpeg."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from rlmem.errors import RlmemError
from rlmem.experiments import video
from rlmem.experiments.gif_palette import Palette
from rlmem.experiments.palette import MARKED, NOW, PAGE
from rlmem.experiments.video import find_ffmpeg, write_video


def picture(number: int) -> np.ndarray[Any, Any]:
    """A bar that wanders, in colours of ours."""
    pixels = np.full((48, 64, 3), PAGE, np.uint8)
    pixels[10:30, 4 * number : 4 * number + 8] = MARKED
    pixels[:, 60:] = NOW
    return pixels


def test_a_gif_shows_every_picture_exactly(tmp_path: Path) -> None:
    write_video(tmp_path / "v.gif", lambda number: picture(min(number, 5)), 8, 10)
    with Image.open(tmp_path / "v.gif") as gif:
        frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(gif)]
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
        assert gif.info["loop"] == 0
    np.testing.assert_array_equal(frames, [picture(number) for number in range(6)])
    assert durations == [100] * 5 + [300]  # the last picture stays
    assert [file.name for file in tmp_path.iterdir()] == ["v.gif"]


def test_an_mp4_shows_every_picture(tmp_path: Path) -> None:
    imageio_ffmpeg: Any = pytest.importorskip("imageio_ffmpeg", reason="the extra video is not installed")
    write_video(tmp_path / "v.mp4", picture, 6, 5)
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "v.mp4")) == (6, pytest.approx(1.2, abs=0.01))
    decode = [find_ffmpeg(), "-i", "v.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    finished = subprocess.run(decode, cwd=tmp_path, capture_output=True, check=True)
    assert b"h264" in finished.stderr
    assert b"yuv420p" in finished.stderr
    shown = np.frombuffer(finished.stdout, np.uint8).reshape(-1, 48, 64, 3).astype(int)
    assert len(shown) == 6
    for number, frame in enumerate(shown):
        assert np.abs(frame - picture(number)).mean() < 12  # colours are coarser in H.264
    assert [file.name for file in tmp_path.iterdir()] == ["v.mp4"]


def test_a_palette_keeps_the_frequent_colours_and_takes_near_ones_for_others() -> None:
    generator = np.random.default_rng(0)
    photograph = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    sample = np.concatenate([np.full((64, 64, 3), MARKED, np.uint8), photograph])
    palette = Palette([sample])
    applied = np.array(palette.apply(sample).convert("RGB"))
    np.testing.assert_array_equal(applied[:64], sample[:64])
    assert np.abs(applied[64:].astype(int) - photograph).max(-1).mean() < 40
    unseen = np.full((4, 4, 3), (0, 113, 180), np.uint8)
    np.testing.assert_array_equal(np.array(palette.apply(unseen).convert("RGB")), np.full((4, 4, 3), MARKED))


def test_ffmpeg_of_the_extra_then_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = SimpleNamespace(get_ffmpeg_exe=lambda: "/bundled/ffmpeg")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", bundled)
    assert find_ffmpeg() == "/bundled/ffmpeg"
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr("shutil.which", lambda name: f"/system/{name}")
    assert find_ffmpeg() == "/system/ffmpeg"


def test_no_ffmpeg_is_said_and_the_extra_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(RlmemError, match=r"no ffmpeg .* pip install 'rlmem\[video\]', or ask for a \.gif"):
        write_video(tmp_path / "v.mp4", picture, 2, 5)
    assert list(tmp_path.iterdir()) == []


def test_an_ffmpeg_that_fails_is_quoted_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho 'Unknown encoder' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(video, "find_ffmpeg", lambda: str(program))
    (tmp_path / "out").mkdir()
    large = np.zeros((1000, 1000, 3), np.uint8)  # more than a pipe holds
    with pytest.raises(RlmemError, match=r"could not write the MP4 \(Unknown encoder\); ask for a \.gif"):
        write_video(tmp_path / "out" / "v.mp4", lambda number: large, 2, 5)
    assert list((tmp_path / "out").iterdir()) == []
