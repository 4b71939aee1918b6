"""An artefact's results on disk.

<out>/
  result.json    what was run, what came out, and the paper's numbers; of agents, comparison.json is the file
  TABLE.md       where there is a table
  figure.png     where there is a figure
  logs/          what the runs' processes printed
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rlmem.errors import RlmemError, UsageError, check
from rlmem.experiments.atomic_files import write_bytes, write_json
from rlmem.experiments.provenance import provenance
from rlmem.experiments.reproduce.artefact import Artefact, Drawn
from rlmem.experiments.reproduce.plan import Plan
from rlmem.experiments.reproduce.planned_model import Scale
from rlmem.experiments.reproduce.records import Record
from rlmem.experiments.reproduce.run_state import check_same_config

FORMAT = 1
"""Of result.json."""
KEPT = Path(__file__).resolve().parents[1] / "results"
"""Results that lie beside the source, in a checkout."""
RESULT, COMPARISON = "result.json", "comparison.json"
_OWN = (RESULT, COMPARISON, "TABLE.md", "figure.png", "comparison.png", "logs", ".lock")


@dataclass(frozen=True)
class Result:
    """A result that was found.

    Args:
        folder: where.
        content: of its result.json or comparison.json.
    """

    folder: Path
    content: Mapping[str, Any]


def default_out(artefact: Artefact, scale: Scale) -> Path:
    """Where an artefact's results go unless another folder is given."""
    return Path("reproduce") / f"{artefact.id}-{scale}"


def find_result(artefact: Artefact, scale: Scale, kept: Path = KEPT) -> Result | None:
    """The result of an artefact at a scale: that in the working folder, or else that beside the source.

    Args:
        artefact: which one.
        scale: at which scale.
        kept: folder of the results beside the source.
    """
    file = COMPARISON if artefact.comparison else RESULT
    folders = [default_out(artefact, scale), kept / "reproduce" / f"{artefact.id}-{scale}"]
    folders += [kept / artefact.earlier] if artefact.earlier and scale == "small" else []
    for folder in folders:
        content = read_result(folder / file)
        if content is not None:
            return Result(folder, content)
    return None


def read_result(path: Path) -> dict[str, Any] | None:
    """A result.json or comparison.json, or None where there is none.

    Raises:
        RlmemError: the file is damaged, or of another version.
    """
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        is_known = content["format"] == FORMAT
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise RlmemError(f"{path} is no whole result; remove it and make it again") from error
    check(is_known, f"{path} is of another version of rlmem; move it away and make it again")
    return content


def check_out(folder: Path, artefact: Artefact, scale: Scale, plan: Plan) -> None:
    """See that a folder can take the results: it is new, or holds earlier ones of the same runs.

    Raises:
        UsageError: it holds something else.
    """
    if not folder.exists():
        return
    check(folder.is_dir(), f"{folder} is a file; choose another --out")
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in _OWN)
    content = read_result(folder / RESULT)
    if content is None:
        check(
            not foreign and not (folder / COMPARISON).exists(),
            f"{folder} holds something else ({', '.join([*foreign, COMPARISON][:1])}); choose another --out",
        )
        return
    made = (content["artefact"], content["scale"])
    check(
        made == (artefact.id, scale),
        f"{folder} holds {made[0]} at the scale {made[1]}, not {artefact.id} at {scale}; choose another --out",
    )
    recorded = {record["key"]: record for record in content["runs"] if record["status"] == "finished"}
    planned = {model.key: model for model in plan.models}
    for key, record in recorded.items():
        if key not in planned:
            raise UsageError(f"{folder} holds results of other runs, such as {key}; choose another --out")
        run = plan.run(planned[key])
        if run is not None:
            check_same_config(record["config"], run.config, f"{folder / RESULT}, for {key},", "--out")


def write_result(
    folder: Path,
    artefact: Artefact,
    scale: Scale,
    command: str,
    records: Sequence[Record],
    notices: Sequence[str],
    drawn: Drawn,
) -> list[Path]:
    """Write what came out.

    Args:
        folder: for the files; it is there.
        artefact: which one.
        scale: at which scale.
        command: that made it.
        records: the runs.
        notices: what must be said beside the result.
        drawn: what came out.

    Returns:
        The files.
    """
    content = {
        "format": FORMAT,
        "artefact": artefact.id,
        "title": artefact.title,
        "scale": scale,
        "command": command,
        "made_with": provenance(),
        "paper": asdict(artefact.paper),
        "notices": list(notices),
        "summary": drawn.summary,
        "details": dict(drawn.details),
        "runs": list(records),
    }
    files = [folder / RESULT]
    if drawn.table:
        files.append(folder / "TABLE.md")
        write_bytes(files[-1], _table_file(artefact, scale, command, notices, drawn).encode())
    if drawn.figure is not None:
        files.append(folder / "figure.png")
        buffer = io.BytesIO()
        drawn.figure.savefig(buffer, format="png", dpi=130)
        write_bytes(files[-1], buffer.getvalue())
    write_json(folder / RESULT, content)
    return files


def _table_file(artefact: Artefact, scale: Scale, command: str, notices: Sequence[str], drawn: Drawn) -> str:
    paper = artefact.paper
    parts = [
        f"# {artefact.id}: {artefact.title} (scale: {scale})",
        f"`{command}`",
        f"The paper, {paper.where}: {paper.says} ({paper.unit}).",
        *(f"Note: {notice}" for notice in notices),
        drawn.table,
    ]
    return "\n\n".join(parts) + "\n"
