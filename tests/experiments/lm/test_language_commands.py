"""`rlmem lm`: what its commands print and write, and what they refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rlmem.checkpoint import load_language_model
from rlmem.experiments.arguments import parse
from rlmem.experiments.checkpoints import find_damage
from rlmem.experiments.cli import main
from rlmem.experiments.lm import bench_worker
from rlmem.experiments.lm.bench_command import LanguageBenchArguments, print_table, works
from rlmem.experiments.lm.learner import LanguageLearner
from rlmem.experiments.lm.report_command import command_of
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.train_command import parse_language_train
from rlmem.experiments.lm.train_config import LanguageTrainConfig

Command = Callable[..., Any]
Hash = Callable[[Path], str]
RUN = Path("runs/copy/run")


def words_of(finished: Any) -> str:
    return " ".join(finished.err.replace("│", " ").split())


def assert_refused(finished: Any, code: int, *parts: str) -> None:
    assert finished.code == code, finished
    assert "Traceback" not in finished.err + finished.out
    for part in parts:
        assert part in words_of(finished), words_of(finished)


def test_a_run_logs_and_shows_what_it_should(lm_train: Command, here: Path) -> None:
    finished = lm_train("run")
    lines = finished.out.splitlines()
    assert lines[0].startswith("1 of 20 updates, ")
    assert "tokens/s" in lines[0]
    assert lines[-2].startswith("20 of 20 updates, bits ")
    assert "evaluation item accuracy" in lines[-2]
    assert "memory size" in lines[-2]
    assert lines[-1] == "done: 20 updates in runs/copy/run; try: rlmem lm eval runs/copy/run"
    logged = [json.loads(line) for line in (RUN / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == list(range(2, 21, 2))
    expected = {
        "train/loss", "train/bits", "train/learning_rate", "train/grad_norm", "memory/auxiliary_loss",
        "memory/size_mean", "memory/size_max", "memory/span_mean/layer_1", "memory/span_max/layer_1",
        "time/tokens_per_second", "time/peak_memory_mib",
    }  # fmt: skip
    assert expected <= logged[-1].keys()
    evaluated = [line["step"] for line in logged if "eval/item_accuracy" in line]
    assert evaluated == [10, 20]
    assert {"eval/bits", "eval/memory_size_mean", "eval/target_accuracy"} <= logged[-1].keys()
    vocabulary = json.loads((RUN / "vocabulary.json").read_text())
    assert vocabulary["symbols"] == ["A", "B", "copy", "end"]
    assert lm_train("silent", "--quiet").out == ""


def test_eval(lm_run: Path, rlmem: Command) -> None:
    report = json.loads(rlmem("lm", "eval", "run", "--json").out)
    assert report["checkpoint"] == "step_20"
    assert (report["split"], report["rows"], report["chance"]) == ("test", 4, 0.25)
    assert 0 <= report["item_accuracy"] <= report["target_accuracy"] <= 1
    assert report["num_items"] <= report["num_targets"] / 2
    logged = json.loads((RUN / "metrics.jsonl").read_text().splitlines()[-1])
    valid = json.loads(rlmem("lm", "eval", "run", "--split", "valid", "--json").out)
    assert valid["loss"] == pytest.approx(logged["eval/loss"], rel=1e-5)
    assert valid["memory_size_mean"] == pytest.approx(logged["eval/memory_size_mean"])
    earlier = json.loads(rlmem("lm", "eval", "run", "--checkpoint", "step_16", "--blocks", "3", "--json").out)
    assert earlier["num_targets"] < report["num_targets"]
    shown = rlmem("lm", "eval", "run")
    for words in ("answers that are right", "by a guess without memory", "average memory size", "parameters"):
        assert words in shown.out


def test_report(lm_run: Path, rlmem: Command, here: Path) -> None:
    assert rlmem("lm", "report", "run", "--out", "kept").code == 0
    report = json.loads(Path("kept/run.json").read_text())
    assert report["config"] == json.loads((RUN / "config.json").read_text())
    assert report["trained_with"] == json.loads((RUN / "provenance.json").read_text())
    assert report["curve"]["step"] == list(range(2, 21, 2))
    assert report["evaluation"]["test"]["item_accuracy"] >= 0
    assert report["evaluation"]["valid"]["split"] == "valid"
    assert Path("kept/run.png").read_bytes().startswith(b"\x89PNG")
    again = parse_language_train(report["command"].split()[3:]).config
    config = LanguageRunFolder(RUN).config
    assert replace(again, run=replace(again.run, device=config.run.device)) == config
    flipped = replace(config, model=replace(config.model, memory_dropout=True))
    assert parse_language_train(command_of(flipped).split()[3:]).config.model == flipped.model
    assert_refused(rlmem("lm", "report", "run", "--out", "kept"), 2, "kept/run.json exists and is not overwritten")


def test_the_configuration_survives_json(lm_run: Path) -> None:
    config = LanguageRunFolder(RUN).config
    assert LanguageTrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_weights_of_another_run(lm_run: Path, lm_train: Command, rlmem: Command) -> None:
    more = ["--init", "run", "--updates", "1", "--learning-rate", "1e-12", "--warmup-updates", "0", "--max-span", "48"]
    assert lm_train("tuned", *more).code == 0
    before, after = (
        load_language_model(path / "model.safetensors")
        for path in (RUN / "checkpoints" / "step_20", Path("runs/copy/tuned/checkpoints/step_1"))
    )
    assert all(torch.allclose(p, q, atol=1e-9) for p, q in zip(before.parameters(), after.parameters(), strict=True))
    config = json.loads(Path("runs/copy/tuned/config.json").read_text())
    assert config["run"]["init"] == "runs/copy/run/checkpoints/step_20"
    refused = lm_train("wider", "--init", "run", "--model", "32")
    assert_refused(refused, 2, "holds a model of other sizes", "give the same sizes and memory kind")
    assert not Path("runs/copy/wider").exists()
    assert_refused(lm_train("x", "--init", "nothing"), 2, "there is no run 'nothing'")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("train", ("rlmem lm train needs a task first, such as rlmem lm train copy",)),
        ("train cpoy", ("the task 'cpoy' is unknown", "did you mean 'copy'?", "collision")),
        ("train copy --preset papr", ("the preset 'papr' is unknown for copy", "did you mean 'paper'?")),
        ("tran copy", ("rlmem lm has no command 'tran'", "did you mean 'train'?")),
        ("train copy --memory lstm", ("--memory lstm is a recurrent core",)),
        ("train enwik8 --memory gru", ("--memory gru is a recurrent core",)),
        ("train copy --eval-blocks 1", ("nothing is scored", "read more blocks (--eval-blocks")),
        ("train copy --block 0", ("--block is 0", "at least 1")),
        ("train copy --accumulate 17", ("--accumulate 17 is more parts than --batch has rows (16)", "lower it")),
        ("train copy --schedule linear", ("'linear'", "--schedule")),
        ("train copy --span-cost -1", ("--span-cost is -1.0",)),
        ("train copy --fine-tune-factor 0", ("--fine-tune-factor is 0.0",)),
        ("train copy --max-distance 3", ("--max-distance is 3",)),
        ("train copy --device cuda", ("no CUDA GPU", "use --device cpu")),
        ("train copy --cutoffs 3 2", ("cutoffs 3 2",)),
        ("train copy --cutoffs 9", ("cutoffs 9", "4 symbols")),
        ("train collision --tied", ("--tied needs one vocabulary",)),
        ("train enwik8", ("--data is missing", "enwik8")),
        ("train enwik8 --data nowhere", ("--data nowhere does not exist",)),
        ("train copy --name ../x", ("--name '../x' cannot name a folder",)),
        ("eval nothing", ("there is no run 'nothing'",)),
        ("report nothing", ("there is no run 'nothing'",)),
        ("bench nothing", ("there is no run 'nothing'",)),
        ("bench --repeats 0", ("--repeats is 0",)),
        ("bench --span-fraction 1", ("--span-fraction is 1.0", "between 0 and 1")),
    ],
)
def test_wrong_usage(rlmem: Command, here: Path, words: str, parts: tuple[str, ...]) -> None:
    assert_refused(rlmem("lm", *words.split()), 2, *parts)
    assert list(here.iterdir()) == []


def test_help(rlmem: Command) -> None:
    assert rlmem("lm").code == 2
    finished = rlmem("lm", "--help")
    assert finished.code == 0
    assert "rlmem lm COMMAND --help explains one" in finished.out
    finished = rlmem("lm", "train", "--help")
    assert finished.code == 0
    assert "wikitext103" in finished.out
    flags = rlmem("lm", "train", "instruction", "--help")
    assert flags.code == 0
    for word in ("--mean-distance", "--accumulate", "--cutoffs", "--memory-dropout", "--fine-tune-updates"):
        assert word in flags.out


def test_runs_of_the_other_kind(lm_run: Path, trained: Path, rlmem: Command, here: Path) -> None:
    shutil.copytree(trained / "runs" / "corridor" / "run", here / "runs" / "corridor" / "agent")
    for command in (["eval"], ["report"]):
        finished = rlmem(*command, "runs/copy/run")
        assert_refused(
            finished, 2, "runs/copy/run is a language model's run, not an agent's; its commands are rlmem lm eval"
        )
    assert_refused(rlmem("check", "runs/copy/run"), 1, "holds a language model and no policy; try rlmem lm eval")
    for command in (["lm", "eval"], ["lm", "report"], ["lm", "bench"], ["lm", "train", "copy", "--init"]):
        finished = rlmem(*command, "runs/corridor/agent")
        assert_refused(
            finished, 2, "runs/corridor/agent is an agent's run, not a language model's; its commands are rlmem eval"
        )
    refused = rlmem("resume", "runs/corridor/agent", "--updates", "9")
    assert_refused(refused, 2, "runs/corridor/agent is an agent's run; use --total-timesteps")


def test_damaged_checkpoint(lm_run: Path, rlmem: Command, folder_hash: Hash) -> None:
    file = RUN / "checkpoints" / "step_20" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    before = folder_hash(Path("runs"))
    for command in ("resume", "lm eval", "lm report"):
        finished = rlmem(*command.split(), "run")
        assert_refused(finished, 1, "step_20 is damaged", f"rlmem {command} runs/copy/run --checkpoint step_16")
    assert folder_hash(Path("runs")) == before


@pytest.mark.parametrize(
    ("section", "name", "value", "part"),
    [
        ("model", "colour", 1, "section 'model' has the unknown colour"),
        ("model", "ramp", 3, "holds another model than config.json describes"),
        ("learner", "batch", 5, "does not fit the configuration in config.json"),
        ("options", "max_count", "4", "options.max_count is '4'"),
        ("embedding", "cutoffs", [2], "holds another model than config.json describes"),
        (None, "task", "chess", "its task is 'chess'"),
        (None, "format", 99, "its format is 99"),
    ],
)
def test_changed_config(lm_run: Path, rlmem: Command, section: str | None, name: str, value: Any, part: str) -> None:
    path = RUN / "config.json"
    data = json.loads(path.read_text())
    (data if section is None else data[section])[name] = value
    path.write_text(json.dumps(data))
    assert_refused(rlmem("resume", "run"), 1, part)


def test_another_vocabulary(rlmem: Command, lm_tiny: list[str], here: Path) -> None:
    folder = here / "books"
    for split in ("train", "validation", "test"):
        (folder / split).mkdir(parents=True)
        (folder / split / "1.txt").write_text("the cat sat on the mat. " * 50)
    flags = [*lm_tiny[lm_tiny.index("--batch") :], "--data", "books", "--cache", "cache", "--name", "run"]
    assert rlmem("lm", "train", "pg19", *flags, "--updates", "4").code == 0
    evaluated = rlmem("lm", "eval", "run")
    assert "bits per character" in evaluated.out
    assert "symbols predicted rightly" in evaluated.out
    assert "answers" not in evaluated.out
    assert "is not the whole PG-19" in evaluated.out
    (folder / "train" / "1.txt").write_text("the dog sat on the mat. " * 50)
    for words in (("resume", "run"), ("lm", "eval", "run"), ("lm", "report", "run")):
        assert_refused(rlmem(*words), 2, "vocabulary differs from the checkpoint's", "use the data that the run was")
    refused = rlmem("lm", "train", "pg19", *flags[:-1], "tuned", "--init", "run")
    assert_refused(refused, 2, "vocabulary")
    (here / "runs" / "pg19" / "run" / "vocabulary.json").write_text("{")
    assert_refused(rlmem("lm", "eval", "run"), 1, "vocabulary.json is no whole vocabulary", "train the run anew")


def test_a_block_longer_than_the_text(rlmem: Command, here: Path) -> None:
    (here / "enwik8").write_bytes(b"abcdefghij" * 20)
    refused = rlmem("lm", "train", "enwik8", "--data", "enwik8", "--name", "run")
    assert_refused(refused, 2, "block")
    assert not Path("runs").exists()


def test_data_of_a_made_up_task(lm_run: Path, rlmem: Command) -> None:
    assert_refused(rlmem("lm", "eval", "run", "--data", "x"), 2, "copy makes its data up; leave it out")


def test_diverging_loss(lm_train: Command, rlmem: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update = LanguageLearner.update

    def diverge(learner: LanguageLearner, block: Any, state: Any, rate: float, cost: float) -> Any:
        if state.next_time[0] >= 10 * 16:
            with torch.no_grad():
                state.layers[0].hidden[0, -1] = float("nan")
        return update(learner, block, state, rate, cost)

    monkeypatch.setattr(LanguageLearner, "update", diverge)
    finished = lm_train("run", "--checkpoint-interval", "8")
    assert_refused(
        finished, 1, "the loss became nan", "lower --learning-rate", "last good checkpoint is runs/copy/run/checkpoints"
    )
    assert [path.name for path in (RUN / "checkpoints").iterdir()] == ["step_8"]
    assert find_damage(RUN / "checkpoints" / "step_8") is None
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert rlmem("resume", "run").code == 0


FLAGS = "--max-span 32 --block 8 --batch 2 --model 16 --heads 2 --feedforward 16 --num-layers 1 --ramp 2 --repeats 2"


def test_the_bench_compares_kinds_at_equal_reach(capfd: pytest.CaptureFixture[str]) -> None:
    measured = {}
    for name, work in works(parse(LanguageBenchArguments, FLAGS.split(), "lm bench"), "cpu").items():
        assert bench_worker.main([work.to_json()]) == 0
        measured[name] = json.loads(capfd.readouterr().out)
    assert list(measured) == ["transformer_xl", "compressive", "adaptive_span", "expire_span"]
    sizes = {name: row["memory_size_mean"] for name, row in measured.items()}
    assert sizes["transformer_xl"] == 32
    assert 8 <= sizes["compressive"] < 20  # 8 steps one by one, and 24 in slots of 4
    assert sizes["adaptive_span"] == sizes["expire_span"] == 5  # ages 1 to 5, below 3.2 + 2
    assert all(len(row["milliseconds"]) == 2 and row["peak_memory_mib"] > 50 for row in measured.values())


def test_the_bench_measures_in_a_process_of_its_own(rlmem: Command) -> None:
    finished = rlmem("lm", "bench", *FLAGS.split(), "--threads", "1", "--kinds", "expire_span", "--json")
    assert finished.code == 0, finished
    report = json.loads(finished.out)
    assert list(report["measured"]) == ["expire_span"]
    assert report["machine"]["device"] == "cpu"


def test_the_bench_takes_a_run_up_where_it_stands(lm_run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = [path.read_bytes() for path in sorted(RUN.rglob("*")) if path.is_file()]
    arguments = parse(LanguageBenchArguments, ["run", "--repeats", "1"], "lm bench")
    ((name, work),) = works(arguments, "cpu").items()
    assert bench_worker.main([work.to_json()]) == 0
    row = json.loads(capfd.readouterr().out)
    print_table({"device": "cpu"}, {name: row})
    assert "runs/copy/run" in capfd.readouterr().out
    logged = json.loads((RUN / "metrics.jsonl").read_text().splitlines()[-1])
    assert row["memory_size_mean"] == pytest.approx(logged["memory/size_mean"], rel=0.2)
    assert before == [path.read_bytes() for path in sorted(RUN.rglob("*")) if path.is_file()]


def test_a_bench_that_fails_says_why(lm_run: Path, rlmem: Command) -> None:
    (RUN / "vocabulary.json").unlink()
    assert_refused(rlmem("lm", "bench", "run", "--repeats", "1"), 1, "measuring runs/copy/run failed", "vocabulary")


def test_rlmem_help_names_lm(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "lm train and evaluate language models" in " ".join(capfd.readouterr().out.split())
