"""``driftwise gpu-run``: whole blocks in small, kills, time that runs out, and one-line errors."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from driftwise.benchmarks.gpu import worker
from driftwise.benchmarks.gpu.blocks import (
    EVERY_ADAPTER,
    FITTED,
    WITH_MEMORIES,
    WITH_RULES,
    Stage,
    stages_of,
)
from driftwise.benchmarks.gpu.context import Clock, Context, Settings, Skipped
from driftwise.evaluation import load_result
from driftwise.lm.checkpoint import save_language_model
from driftwise.lm.corpora import DriftingCorpus
from driftwise.lm.models import build_model
from driftwise.scripts import gpu_run
from driftwise.scripts.main import main
from driftwise.tracking.lock import FileLock


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # put back when the test ends
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def rows(results, name):
    """Values of a record by row and metric, all of which are numbers."""
    table = load_result(results / f"{name}.json")["table"]
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in table)
    return {(entry["row"], entry["setting"], entry["metric"]): entry["value"] for entry in table}


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_block_a_on_a_machine_that_has_torch_and_little_else(tmp_path):
    """Which also is a test of what ``lm`` and ``memory`` import."""
    script = Path(__file__).with_name("bare_machine.py")
    command = ["gpu-run", "A", "--dry-run", "--foreground", "--folder", str(tmp_path)]
    done = subprocess.run([sys.executable, script, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "block A is done" in done.stdout
    found = rows(tmp_path / "results", "gpu_wikitext2")
    assert {row for row, _, _ in found} == set(EVERY_ADAPTER)
    assert {setting for _, setting, _ in found} == {"default", "continuous"}
    for metric in ("perplexity", "gain_nats", "time_ratio", "flops_ratio", "perplexity_at_0-15"):
        assert ("cache_dynamic_rms", "default", metric) in found
    assert found["static", "default", "time_ratio"] == 1
    # A made-up text whose words come back.
    assert found["cache", "default", "gain_nats"] > 0.1
    checks = rows(tmp_path / "results", "gpu_checks")
    assert max(checks.values()) < 0.05 and len(checks) > 10
    assert ("wikitext2-transformer", "recipe", "tokens_per_s") in rows(
        tmp_path / "results", "gpu_speed"
    )
    assert ("fwl", "default", "time_ratio") in rows(tmp_path / "results", "gpu_adaptation_cost")
    record = load_result(tmp_path / "results" / "gpu_wikitext2.json")
    assert record["command"] == "driftwise gpu-run A --recipe wikitext2-transformer --dry-run"
    assert record["protocol"]["cache"].startswith("cache {") and record["seeds"] == [0]
    assert not list(tmp_path.glob("readings/*/*/positions.png"))  # without matplotlib


def test_block_b_detached_killed_and_resumed(tmp_path, capsys):
    """In byte pairs, and so with a reading of raw WikiText besides."""
    command = ["gpu-run", "B", "--dry-run", "--tokenizer", "bpe", "--folder", str(tmp_path)]
    command.append("--wait")
    main([*command, "0"])
    assert "still at work" in capsys.readouterr().out
    wait_for(lambda: list(tmp_path.glob("runs/*/*/checkpoints/step_*")))
    pid = int((tmp_path / ".lock").read_text().removeprefix("process "))
    assert os.getsid(pid) == pid != os.getsid(0)
    with pytest.raises(RuntimeError, match=f"in use by another process .process {pid}"):
        worker.work(Settings("B", "wiki-s", device="cpu", dry_run=True), tmp_path, tmp_path)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not FileLock.held(tmp_path / ".lock"))
    assert not (tmp_path / "stages/read-fitted.json").exists()
    planned = (tmp_path / "stages/plan.json").read_bytes()

    main([*command, "60"])
    assert f"block B is done; records are in {tmp_path}/results" in capsys.readouterr().out
    assert (tmp_path / "stages/plan.json").read_bytes() == planned
    found = rows(tmp_path / "results", "gpu_wiki_ladder-bpe")
    assert {row for row, _, _ in found} == {*EVERY_ADAPTER, *FITTED}
    found = rows(tmp_path / "results", "gpu_wikitext103_raw")
    assert {row for row, _, _ in found} == set(WITH_RULES)
    assert list(tmp_path.glob("readings/*/*/positions.png"))
    assert not list(tmp_path.glob("runs/*/*/checkpoints")) and list(tmp_path.glob("runs/*/*/best"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("stages/*")}
    main([*command, "60", "--foreground"])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("stages/*")} == before


def test_block_c_here(tmp_path, capsys):
    main(["gpu-run", "C", "--dry-run", "--foreground", "--folder", str(tmp_path)])
    assert "block C is done" in capsys.readouterr().out
    found = rows(tmp_path / "results", "gpu_wiki_ladder")
    wanted = {row for adapters in WITH_MEMORIES.values() for row in adapters}
    assert {row for row, _, _ in found} == wanted
    trained = rows(tmp_path / "results", "gpu_training")
    tokens = {row: value for (row, _, metric), value in trained.items() if metric == "tokens"}
    assert tokens.keys() == WITH_MEMORIES.keys() and set(tokens.values()) == {256}
    plan = json.loads((tmp_path / "stages/plan.json").read_text())
    assert plan["share"] == pytest.approx(1 / 3)  # two steps, of six


def test_when_time_runs_out_what_is_left_is_left_out(tmp_path, capsys):
    command = ["gpu-run", "B", "--dry-run", "--folder", str(tmp_path), "--foreground", "--minutes"]
    main([*command, "0.00001"])
    told = capsys.readouterr().out
    assert "static is left out" in told and "fit is left out: fitting" in told
    assert "read-fitted is left out: there is no outcome of fit" in told
    outcome = json.loads((tmp_path / "stages/read.json").read_text())
    assert outcome["skipped_rows"] == list(EVERY_ADAPTER)
    main([*command, "5"])  # with more of it, stages that were left out are done
    assert "fwl_fitted" in capsys.readouterr().out


@pytest.fixture
def context(tmp_path):
    return Context(Settings("A", "wikitext2-transformer", device="cpu"), tmp_path, tmp_path)


def test_stages_that_fail_hold_up_those_that_need_them_alone(context, monkeypatch, tmp_path):
    done = []

    def good(_):
        done.append("good")
        return {"x": 1}

    def bad(_):
        raise ValueError("no\nluck")

    def late(_):
        raise Skipped("it takes too long")

    stages = [
        Stage("bad", bad),
        Stage("needing", good, ("bad",)),
        Stage("late", late),
        Stage("good", good, ()),
    ]
    monkeypatch.setattr(worker, "stages_of", lambda settings: stages)
    with pytest.raises(RuntimeError, match=r"^bad failed: no luck$"):
        worker.work(context.settings, tmp_path, tmp_path)
    assert done == ["good"]
    assert worker.unfinished(context.settings, tmp_path) == ["bad"]
    assert context.outcome("needing")["skipped"] == "there is no outcome of bad"
    assert context.outcome("late")["skipped"] == "it takes too long"
    stages[0] = Stage("bad", good)
    worker.work(context.settings, tmp_path, tmp_path)
    assert done == ["good"] * 3 and worker.unfinished(context.settings, tmp_path) == []


def test_time_is_counted_over_all_calls(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for _ in range(2):
        with Clock(tmp_path / "clock.json", 1.0) as clock:
            now[0] += 25.0
    assert clock.spent == 50 and clock.left == 10
    clock.require(10, "this")
    with pytest.raises(Skipped, match="this takes about 11 s, and 10 are left"):
        clock.require(11, "this")


def test_every_block_needs_what_comes_before_it():
    for block, recipe in gpu_run.MAIN.items():
        names = [stage.name for stage in stages_of(Settings(block, recipe))]
        assert len(set(names)) == len(names)
        for number, stage in enumerate(stages_of(Settings(block, recipe))):
            assert set(stage.needs) <= set(names[:number])
    # Nothing long is begun before the checks have passed.
    needs = {stage.name: stage.needs for stage in stages_of(Settings("A", gpu_run.MAIN["A"]))}
    assert "checks" in needs["speed"] and "checks" in needs["plan"]


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A GPU that all checks find, though nothing can be run on it; and a folder without data."""
    properties = namedtuple("properties", "total_memory")
    monkeypatch.setattr(gpu_run, "check_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties(139 * 2**30))
    monkeypatch.setenv("DRIFTWISE_DATA", str(tmp_path / "data"))
    return monkeypatch, properties


def told(*arguments):
    with pytest.raises(SystemExit) as error:
        main(["gpu-run", *arguments])
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_gpu_and_a_small_one_are_told_first(gpu, tmp_path):
    patch, properties = gpu
    folder = str(tmp_path / "run")
    patch.setattr(torch.cuda, "get_device_properties", lambda _: properties(10 * 2**30))
    assert "wiki-s needs about" in (text := told("B", "--folder", folder))
    assert "it would fit with --micro-batches" in text
    patch.undo()
    if not torch.cuda.is_available():
        assert "--dry-run runs the whole path on a CPU" in told("B", "--folder", folder)
    assert not (tmp_path / "run").exists()


def test_missing_data_is_told_first(gpu, tmp_path):
    text = told("B", "--folder", str(tmp_path / "run"))
    assert "enwiki-long needs enwiki-long/enwiki.train.txt" in text
    assert "wikitext-103 needs" in told("B", "--corpus", "wikitext-103", "--folder", str(tmp_path))
    (tmp_path / "data/enwiki-long").mkdir(parents=True)
    (tmp_path / "data/enwiki-long/enwiki.train.txt.xz.00").write_bytes(b"\xfd7zXZ")
    text = told("B", "--folder", str(tmp_path / "run"), "--data", str(tmp_path / "data"))
    assert "xz.00 is broken or cut short" in text
    assert not (tmp_path / "run").exists()


def test_a_disk_without_room_is_told_first(gpu, tmp_path):
    patch, _ = gpu
    usage = namedtuple("usage", "free")
    patch.setattr("shutil.disk_usage", lambda _: usage(2**30))
    assert "on a disk that has 1 free" in told("B", "--folder", str(tmp_path / "run"))


def test_a_model_of_another_recipe_is_told_first(tmp_path):
    corpus = DriftingCorpus(num_words=20, num_tokens=(100, 50, 50))
    config = Settings("B", "wiki-lstm", dry_run=True, device="cpu").config("wiki-lstm").model
    model = build_model(config, len(corpus.tokenizer))
    save_language_model(tmp_path / "lstm", model, config, corpus)
    command = ["B", "--dry-run", "--folder", str(tmp_path / "run"), "--foreground", "--model"]
    text = told(*command, str(tmp_path / "lstm"))
    assert "is not of the recipe wiki-s: its" in text
    assert "no language model at" in told(*command, str(tmp_path / "nowhere"))
    assert "model must not be given for block C" in told("C", *command[1:], str(tmp_path / "lstm"))
    assert "recipe must not be given for block C" in told("C", "--recipe", "wiki-m")


def test_a_folder_of_another_run_is_told_first(tmp_path):
    folder = ["--dry-run", "--folder", str(tmp_path), "--foreground"]
    settings = Settings("B", "wiki-s", device="cpu", dry_run=True)
    gpu_run.check(settings, tmp_path)
    text = told("B", *folder, "--recipe", "wiki-m")
    assert "'recipe' is \"wiki-m\" but the run in" in text and "another --folder" in text
    assert "'seed' is 1" in told("B", *folder, "--seed", "1")
    assert "minutes above 0" in told("B", *folder, "--minutes", "0")
