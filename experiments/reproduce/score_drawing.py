"""Artefacts that are a score of each run: figure, table and summary."""

from __future__ import annotations

from rlmem.experiments.reproduce.artefact import Drawn, Material
from rlmem.experiments.reproduce.model_score import SCORES
from rlmem.experiments.reproduce.score_figure import score_figure, score_summary, score_table


def draw_scores(material: Material) -> Drawn:
    """Score against average memory, and a table of the runs beside the paper's rows.

    Args:
        material: runs of one task.
    """
    score = SCORES[material.records[0]["task"]]
    finished = material.finished
    return Drawn(
        summary=score_summary(finished, score),
        table=score_table(material.records, score, material.paper),
        figure=score_figure(finished, score, material.title),
        details={
            "score": score.label,
            "scores": {
                record["key"]: {
                    "score": score.of(record["evaluation"]),
                    "memory_size_mean": record["evaluation"]["memory_size_mean"],
                }
                for record in finished
            },
        },
    )
