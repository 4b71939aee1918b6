"""What the paper reports, in its own numbers, by the figure or table that they stand in.

Source: Sukhbaatar et al., "Not All Memories are Created Equal: Learning to Forget by Expiring", in the version that was
submitted to ICLR 2021; pages are that version's. Where a figure only plots a result and the text gives no number, there
are no rows: nothing here was read off a picture.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperRow:
    """One model's line in the paper.

    Args:
        model: as the paper calls it, with its maximum span where several have one name.
        score: in the result's unit.
        parameters: as printed; empty where it is not.
        gpu_gigabytes: peak memory (table 4).
        milliseconds: training time of a batch (table 4).
    """

    model: str
    score: float
    parameters: str = ""
    gpu_gigabytes: float | None = None
    milliseconds: float | None = None


@dataclass(frozen=True)
class PaperResult:
    """One figure or table.

    Args:
        where: number and page.
        unit: of the scores.
        says: what it shows, in a line.
        rows: its numbers.
    """

    where: str
    unit: str
    says: str
    rows: tuple[PaperRow, ...] = ()

    def row(self, model: str) -> PaperRow:
        """The line of a model, by its name."""
        return next(row for row in self.rows if row.model == model)


def _rows(*rows: tuple[str, float] | tuple[str, float, str]) -> tuple[PaperRow, ...]:
    return tuple(PaperRow(*row) for row in rows)


_ENWIK8_ROWS = _rows(
    ("Trans-XL 24L", 0.99, "277M"),
    ("Sparse Trans.", 0.99, "95M"),
    ("Adapt-Span 24L", 0.98, "209M"),
    ("All-Attention", 0.98, "114M"),
    ("Compressive Trans.", 0.97, "277M"),
    ("Routing Trans.", 0.99, "-"),
    ("Feedback Trans.", 0.96, "77M"),
    ("Trans-XL 12L", 1.06, "41M"),
    ("Adapt-Span 12L", 1.02, "39M"),
    ("Our Trans-XL 12L baseline", 1.06, "38M"),
    ("Expire-Span 12L", 0.994, "38M"),
)
_WIKITEXT_ROWS = _rows(
    ("DEQ-Trans.", 23.3, "110M"),
    ("Trans-XL", 18.3, "257M"),
    ("Feedback Trans.", 18.3, "77M"),
    ("Trans.+LayerDrop", 17.7, "423M"),
    ("Compressive Trans.", 17.1, "277M"),
    ("Routing Trans.", 15.8, "-"),
    ("Expire-Span", 19.6, "140M"),
)
_EFFICIENCY_ROWS = (
    PaperRow("instruction: Compressive Transformer", 71.0, "", 9.8, 210),
    PaperRow("instruction: Adaptive-Span", 64.0, "", 14.2, 240),
    PaperRow("instruction: Expire-Span", 74.0, "", 8.4, 90),
    PaperRow("collision: Compressive Transformer", 63.8, "", 11.6, 327),
    PaperRow("collision: Adaptive-Span", 59.8, "", 17.2, 365),
    PaperRow("collision: Expire-Span", 52.2, "", 11.9, 130),
    PaperRow("enwik8: Compressive Transformer", 1.015, "", 21.3, 805),
    PaperRow("enwik8: Adaptive-Span", 1.036, "", 20.3, 483),
    PaperRow("enwik8: Expire-Span", 1.034, "", 14.6, 408),
    PaperRow("pg19: Adaptive-Span", 1.12, "", 13.5, 515),
    PaperRow("pg19: Expire-Span", 1.12, "", 12.9, 585),
)

PAPER: dict[str, PaperResult] = {
    "figure-4-left": PaperResult(
        "figure 4 left, page 5",
        "success rate",
        "five Expire-Span models succeed with very small memories; ten Transformer-XL need one that grows with the "
        "corridor",
    ),
    "figure-4-right": PaperResult(
        "figure 4 right, page 5; table 4, page 8",
        "% of the instructions executed rightly",
        "five Expire-Span models beat six Transformer-XL sizes at a smaller memory; Expire-Span 74, Compressive 71, "
        "Adaptive-Span 64",
        _rows(("Compressive Transformer", 71.0), ("Adaptive-Span", 64.0), ("Expire-Span", 74.0)),
    ),
    "figure-5": PaperResult(
        "figure 5 right, page 6",
        "rooms visited",
        "Expire-Span visits as many rooms with a much smaller memory; Transformer-XL needs longer memory to visit more",
    ),
    "table-1": PaperResult(
        "table 1, page 7",
        "copy accuracy, %",
        "Transformer-XL (2,048) 26.7, Expire-Span 16K 29.4, Expire-Span 128K 52.1",
        _rows(("Transformer-XL", 26.7), ("Expire-Span 16K", 29.4), ("Expire-Span 128K", 52.1)),
    ),
    "table-2": PaperResult(
        "table 2, page 7",
        "bits per byte on test",
        "Expire-Span 12L 0.994, the same Transformer-XL 1.06 (38M parameters each)",
        _ENWIK8_ROWS,
    ),
    "table-3": PaperResult(
        "table 3, page 8",
        "test error, %",
        "Trans-XL 1k 73.3, Compressive 8k 63.8, Adapt-Span 16k 59.8, Expire-Span 16k 52.2, 32k 36.7, 64k 26.7",
        _rows(
            ("Trans-XL 1k", 73.3),
            ("Compressive 8k", 63.8),
            ("Adapt-Span 16k", 59.8),
            ("Expire-Span 16k", 52.2),
            ("Expire-Span 32k", 36.7),
            ("Expire-Span 64k", 26.7),
        ),
    ),
    "table-4": PaperResult(
        "table 4, page 8",
        "each task's own",
        "Expire-Span takes the least memory in three tasks of four (collision: Compressive 0.3 GB less) and the least "
        "time in three (PG-19: Adaptive-Span less); its score is the best in instruction and collision",
        _EFFICIENCY_ROWS,
    ),
    "table-5": PaperResult(
        "table 5, page 13",
        "perplexity on test",
        "Expire-Span 19.6 with 140M parameters; Trans-XL 18.3 with 257M, Compressive Trans. 17.1 with 277M",
        _WIKITEXT_ROWS,
    ),
    "table-6": PaperResult(
        "table 6, page 14",
        "test error, %",
        "Transformer 1024 39.1, Expire-Span 1024 19.5, 2048 9.1, 4096 3.2",
        _rows(
            ("Transformer 1024", 39.1),
            ("Expire-Span 1024", 19.5),
            ("Expire-Span 2048", 9.1),
            ("Expire-Span 4096", 3.2),
        ),
    ),
    "figure-6": PaperResult(
        "figure 6, page 7",
        "bits per character on test",
        "Expire-Span with spans of 8K, 16K and 32K beats Transformer-XL with 1K and 2K; 32K is no better than 16K",
    ),
    "figure-7": PaperResult(
        "figure 7, page 7",
        "bits per byte on test, not fine-tuned",
        "at any memory size Expire-Span beats Adaptive-Span and Transformer-XL, and is hardly worse at a small one",
    ),
    "figure-9": PaperResult(
        "figure 9, page 9",
        "span",
        "the names Egypt and Alexander are kept; with Egypt replaced by somewhere its place is forgotten, with "
        "SpongeBob SquarePants it is kept again",
    ),
    "figure-10": PaperResult(
        "figure 10, page 9",
        "bits",
        "with spans cut from 16k to 1,024 the name Guinea coast, mentioned 3,584 characters before, costs more bits",
    ),
    "figure-11": PaperResult(
        "figure 11, page 13",
        "perplexity on test",
        "Expire-Span is much better than a standard Transformer with a far smaller memory",
    ),
    "figure-12": PaperResult(
        "figure 12, page 13",
        "span",
        "layers keep different things: layer 6 spaces, layer 9 newlines and section titles, layer 10 named entities",
    ),
    "figure-13": PaperResult(
        "figure 13, page 14; section A.1.3",
        "loss",
        "without structured dropout the loss is very large on a part of the validation data, a table of 66K characters",
    ),
}  # fmt: skip
"""By artefact."""
