"""Pictures as a video: GIF with what is installed anyway, MP4 with ffmpeg, which the extra `video` brings."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from rlmem.agents.trace_pictures import Frame
from rlmem.errors import RlmemError
from rlmem.experiments.atomic_files import sync, write_bytes
from rlmem.experiments.gif_palette import Palette

SUFFIXES = (".mp4", ".gif")
MOST_FPS = 50
"""GIF counts in hundredths of a second, and players slow down what is shown for less than two."""

Draw = Callable[[int], Frame]
"""Draws the picture of a number; all are of one size, (height, width, 3) uint8 with even sides."""

_PALETTE_SAMPLES = 12  # pictures that a GIF's 256 colours are chosen from


def write_video(path: Path, draw: Draw, num_pictures: int, fps: int) -> None:
    """Write pictures 0, 1, … as a video.

    Args:
        path: with one of `SUFFIXES`; its folder exists. It is whole or absent.
        draw: a picture.
        num_pictures: at least 1.
        fps: pictures a second, 1 to `MOST_FPS`.

    Raises:
        RlmemError: there is no ffmpeg for an MP4, or it fails.
    """
    if path.suffix == ".gif":
        write_bytes(path, _encode_gif(draw, num_pictures, fps))
    else:
        _write_mp4(path, draw, num_pictures, fps)


def _encode_gif(draw: Draw, num_pictures: int, fps: int) -> bytes:
    """One palette for all pictures, so that what does not move is stored once."""
    chosen = np.linspace(0, num_pictures - 1, min(num_pictures, _PALETTE_SAMPLES)).round().astype(int)
    palette = Palette([draw(int(number)) for number in chosen])
    images: Iterator[Image.Image] = (palette.apply(draw(number)) for number in range(num_pictures))
    buffer = io.BytesIO()
    next(images).save(
        buffer, "GIF", save_all=True, append_images=images, duration=round(100 / fps) * 10, loop=0, optimize=True
    )
    return buffer.getvalue()


def find_ffmpeg() -> str:
    """The ffmpeg of imageio-ffmpeg, which the extra `video` installs, or else the system's.

    Raises:
        RlmemError: there is neither.
    """
    try:
        return str(import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        found = shutil.which("ffmpeg")
        if found is None:
            raise RlmemError(
                "there is no ffmpeg to write an MP4 with: install it with pip install 'rlmem[video]', or ask for a .gif"
            ) from error
        return found


def _write_mp4(path: Path, draw: Draw, num_pictures: int, fps: int) -> None:
    program = find_ffmpeg()
    height, width, _ = draw(0).shape
    temporary = path.with_name(f".{path.name}.tmp")
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    coding = ["-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-threads", "1", "-movflags", "+faststart"]
    command = [program, "-y", "-loglevel", "error", *source, *coding, "-f", "mp4", str(temporary)]
    try:
        with tempfile.TemporaryFile() as errors:
            _feed(command, draw, num_pictures, errors)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def _feed(command: list[str], draw: Draw, num_pictures: int, errors: IO[bytes]) -> None:
    """Run ffmpeg on the pictures; `errors` is where it complains."""
    with (
        suppress(BrokenPipeError),  # the process has ended; why is said below
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        assert process.stdin is not None, "the process was opened with a pipe"
        for number in range(num_pictures):
            process.stdin.write(draw(number).tobytes())
    if process.returncode != 0:
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise RlmemError(f"ffmpeg ({command[0]}) could not write the MP4 ({lines[-1]}); ask for a .gif")
