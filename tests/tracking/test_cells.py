"""Result cells: which there are, how they are computed, and what survives a failure or a kill."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from driftwise.evaluation import build_result
from driftwise.tracking import (
    Cell,
    Result,
    SkipCell,
    compute_cell,
    import_result,
    load_cell,
    load_cells,
    run_cells,
)

TARGET = "toy_result:RESULT"


@pytest.fixture
def result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Result:
    """The toy result, importable here and in child processes; work happens in tmp_path."""
    folder = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", folder)
    monkeypatch.chdir(tmp_path)
    return import_result(TARGET)


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "results" / "cells" / "toy").iterdir())


def test_cells_come_seed_by_seed(result: Result) -> None:
    first = [
        *(Cell("sparse", "default", 0), Cell("gru", "default", 0), Cell("none", "default", 0)),
        *(Cell("sparse", "hard", 0), Cell("gru", "hard", 0)),  # "none" has no setting "hard"
    ]
    assert result.cells() == first + [cell._replace(seed=1) for cell in first]
    chosen = result.cells(rows=["gru", "sparse"], settings=["hard"], seeds=[1])
    assert chosen == [Cell("sparse", "hard", 1), Cell("gru", "hard", 1)]


def test_run_computes_what_is_missing(result: Result, tmp_path: Path) -> None:
    report = run_cells(TARGET, settings=["default"])
    assert sorted(report.finished) == sorted(result.cells(settings=["default"]))
    assert report.present == [] and report.failed == {}
    again = run_cells(TARGET, settings=["default"])
    assert again.finished == [] and len(again.present) == 6

    cell = load_cell(result, Cell("gru", "default", 1))
    assert cell is not None
    local = compute_in_this_process(result, Cell("gru", "default", 1), tmp_path / "other")
    assert cell["metrics"] == local and cell["metrics"]["worst"] == float("inf")
    assert cell["extra"] == {"curve": [local["score"], 0.5], "note": "gru on default"}
    assert cell["config"] == {"lr": 0.1} and len(cell["config_hash"]) == 16
    assert (
        cell["wall_s"] >= 0
        and {"numpy", "pip"} <= cell["versions"].keys()
        and "kind" in cell["machine"]
    )
    order = [(cell["row"], cell["seed"]) for cell in load_cells(result)]
    assert order == [(row, seed) for row in ("sparse", "gru", "none") for seed in (0, 1)]
    table = build_result(load_cells(result), name="toy", command="c", protocol="p")["table"]
    entry = next(e for e in table if (e["row"], e["metric"]) == ("gru", "score"))
    assert entry["n"] == 2 and entry["low"] <= cell["metrics"]["score"] <= entry["high"]
    text = (tmp_path / "results/cells/toy/gru--default--1.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert list((tmp_path / "runs" / "cells" / "toy").glob("*.log")) == []


def compute_in_this_process(result: Result, cell: Cell, results: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        compute_cell(result, cell, results)
    stored = load_cell(result, cell, results)
    assert stored is not None
    return dict(stored["metrics"])


def test_a_failing_cell_is_reported_and_the_rest_goes_on(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("TOY_FAIL", "sparse")
    report = run_cells(TARGET, settings=["default"], seeds=[0])
    bad = Cell("sparse", "default", 0)
    assert report.failed == {bad: "RuntimeError: sparse has no luck"}
    assert files(tmp_path) == ["gru--default--0.json", "none--default--0.json"]
    log = tmp_path / "runs" / "cells" / "toy" / f"{bad}.log"
    assert log.read_text().startswith("some output") or "Traceback" in log.read_text()
    assert "failed sparse--default--0: RuntimeError: sparse has no luck" in capfd.readouterr().out

    monkeypatch.delenv("TOY_FAIL")
    report = run_cells(TARGET, settings=["default"], seeds=[0])
    assert report.finished == [bad] and len(report.present) == 2 and not log.exists()


def test_a_skipped_cell_says_why_and_stays_as_it_is(
    result: Result, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    run_cells(TARGET, rows=["gru"], settings=["default"], seeds=[0])
    monkeypatch.setenv("TOY_SKIP", "sparse gru")
    report = run_cells(TARGET, settings=["default"], seeds=[0])
    skipped = Cell("sparse", "default", 0)
    assert report.skipped == {skipped: "luck is not installed"} and report.failed == {}
    assert "skipped sparse--default--0: luck is not installed" in capfd.readouterr().out
    assert [cell["row"] for cell in load_cells(result)] == ["gru", "none"]
    assert not list(Path("runs/cells/toy").glob("*.log"))
    with pytest.raises(SkipCell, match="luck"):
        compute_cell(result, skipped)


def test_a_changed_config_makes_only_its_cells_stale(
    result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_cells(TARGET, settings=["default"], seeds=[0])
    monkeypatch.setenv("TOY_LR", "0.2")
    gru = Cell("gru", "default", 0)
    assert load_cell(result, gru) is None and len(load_cells(result)) == 2
    report = run_cells(TARGET, settings=["default"], seeds=[0])
    assert report.finished == [gru]
    stored = load_cell(result, gru)
    assert stored is not None and stored["config"] == {"lr": 0.2}


def start_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[bytes]:
    """Start a runner whose cells of seed 1 hang, and wait until two of them do."""
    hanging = tmp_path / "hanging"
    hanging.mkdir()
    monkeypatch.setenv("TOY_SLEEP", str(hanging))
    # A test run in the background ignores Ctrl-C, and so would what it starts.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"from driftwise.tracking import run_cells; run_cells({TARGET!r}, settings=['default'])"
    )
    runner = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(hanging.iterdir())) == 2)
    return runner


def wait_for(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_finished_cells_survive_the_end_of_the_runner(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    runner = start_runner(tmp_path, monkeypatch)
    children = [int(path.name.rpartition("-")[2]) for path in (tmp_path / "hanging").iterdir()]
    with pytest.raises(RuntimeError, match=r"result toy \(its cells\) is in use by another proce"):
        run_cells(TARGET)
    os.kill(runner.pid, how)
    runner.wait()
    wait_for(lambda: not any(map(running, children)))  # nobody goes on in secret
    finished = ["gru--default--0.json", "none--default--0.json", "sparse--default--0.json"]
    assert files(tmp_path) == finished

    monkeypatch.delenv("TOY_SLEEP")
    report = run_cells(TARGET, settings=["default"])
    assert len(report.present) == 3 and {cell.seed for cell in report.finished} == {1}
    assert len(files(tmp_path)) == 6


def test_bad_arguments(result: Result, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rows: 'lstm' is not part of toy, which has \['sparse'"):
        run_cells(TARGET, rows=["lstm"])
    with pytest.raises(ValueError, match="seeds: 9 is not part of toy"):
        run_cells(TARGET, seeds=[9])
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        run_cells(TARGET, jobs=0)
    with pytest.raises(ValueError, match="target 'toy_result:NO_RESULT' must be a Result, got int"):
        run_cells("toy_result:NO_RESULT")
    for target in ("toy_result:MISSING", "no_such_module:RESULT", "toy_result", ""):
        with pytest.raises(ValueError, match=f"target '{target}' must be 'module:NAME' of a Res"):
            run_cells(target)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="cannot write file/cells/toy: Not a directory"):
        run_cells(TARGET, results="file")
    with pytest.raises(NotADirectoryError, match="cannot write file/cells/toy: Not a directory"):
        compute_cell(result, Cell("gru", "default", 0), "file")
    path = tmp_path / "results" / "cells" / "toy" / "gru--default--0.json"
    path.parent.mkdir(parents=True)
    for text in ("{", "[]", "{}"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"gru--default--0.json is damaged: delete it to com"):
            load_cells(result)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a/b"}, "name must be letters, .* got 'a/b'"),
        ({"rows": ["a--b"]}, "rows must be letters, .* single '-', got 'a--b'"),
        ({"settings": [""]}, "settings must be letters"),
        ({"seeds": []}, r"seeds must be distinct and at least one, got \[\]"),
        ({"rows": ["a", "a"]}, "rows must be distinct"),
    ],
)
def test_bad_definitions(result: Result, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(result, **change)


def test_a_cell_must_return_plain_data(result: Result) -> None:
    cell = Cell("gru", "default", 0)
    for value, message in (
        ([1], "must return a dict, got list"),
        ({"f": print}, "extra.f must be"),
    ):
        broken = dataclasses.replace(result, run=lambda *_, value=value: value)
        with pytest.raises(TypeError, match=message):
            compute_cell(broken, cell)
    assert load_cells(result) == []
