"""TensorBoard's event files, cut back to a step when a run goes back to a checkpoint.

A file is a row of records: length (uint64), checksum (uint32), an `Event` message, checksum (uint32).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]

from rlmem.experiments.atomic_files import write_bytes

_LENGTH_AND_CHECKSUM = 12
_CHECKSUM = 4


def cut_event_files(folder: Path, last_step: int) -> None:
    """Drop the events after a step, and a last record that a kill cut short.

    Args:
        folder: of the event files.
        last_step: environment steps; later events are dropped.
    """
    for path in folder.glob("events.out.tfevents.*"):
        content = path.read_bytes()
        kept = b"".join(record for step, record in _records(content) if step <= last_step)
        if kept != content:
            write_bytes(path, kept)


def read_steps(path: Path) -> list[int]:
    """The steps of an event file's whole records that hold values."""
    return [step for step, record in _records(path.read_bytes()) if _event(record).HasField("summary")]


def _records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Step and bytes of each whole record."""
    start = 0
    while start + _LENGTH_AND_CHECKSUM <= len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        end = start + _LENGTH_AND_CHECKSUM + length + _CHECKSUM
        if end > len(content):
            return
        record = content[start:end]
        yield _event(record).step, record
        start = end


def _event(record: bytes) -> Event:
    return Event.FromString(record[_LENGTH_AND_CHECKSUM:-_CHECKSUM])
