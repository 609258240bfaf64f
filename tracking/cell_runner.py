"""Computes the missing cells of a result, a few processes at a time."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .atomic import make_writable_folder
from .cells import SKIPPED, Cell, Result, import_result, load_cell
from .lock import FileLock

# Several processes with a pool of threads each get in one another's way, and some reductions
# depend on the number of threads.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}


@dataclass
class CellsReport:
    """What `run_cells` did.

    Attributes:
        present: Cells that were there before.
        finished: Cells that it computed.
        skipped: Cells that cannot be computed here, with the reason.
        failed: Cells whose process failed, with the last line of its log.
    """

    present: list[Cell] = field(default_factory=list)
    finished: list[Cell] = field(default_factory=list)
    skipped: dict[Cell, str] = field(default_factory=dict)
    failed: dict[Cell, str] = field(default_factory=dict)


@dataclass
class _Running:
    """A cell in progress."""

    cell: Cell
    process: subprocess.Popen[bytes]
    log: Path


def run_cells(
    target: str,
    rows: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    jobs: int = 2,
    results: str = "results",
    logs: str = "runs/cells",
) -> CellsReport:
    """Compute the missing and stale cells of a result, ``jobs`` at a time.

    Each cell is a process with one thread. One that fails leaves its output in
    ``<logs>/<result>/<cell>.log`` and the others go on; calling again computes it again, as it does
    one that was skipped, for want of a package. Ctrl-C, or the end of this process in any way, ends
    the cells in progress; finished ones are kept.

    Args:
        target: Where the `Result` is defined, as "module:NAME"; the module must be importable by
            a fresh Python process.
        rows: Only these rows.
        settings: Only these settings.
        seeds: Only these seeds.
        jobs: How many at a time; 1 for measurements of speed.
        results: The folder of results.
        logs: The folder of logs.

    Raises:
        ValueError: If an argument is out of range; names it.
        RuntimeError: If another process is computing cells of this result.
        OSError: If a folder is not writable; names it.
    """
    from tqdm import tqdm

    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    result = import_result(target)
    wanted = result.cells(rows, settings, seeds)
    make_writable_folder(Path(results) / "cells" / result.name)
    report = CellsReport()
    waiting: list[Cell] = []
    for cell in wanted:
        missing = load_cell(result, cell, results) is None
        (waiting if missing else report.present).append(cell)
    log_folder = make_writable_folder(Path(logs) / result.name)
    lock = FileLock(log_folder / ".lock", f"result {result.name} (its cells)")
    running: list[_Running] = []
    waiting.reverse()
    try:
        with tqdm(total=len(waiting), desc=result.name, unit="cell") as bar:
            while waiting or running:
                while waiting and len(running) < jobs:
                    running.append(_start(target, results, waiting.pop(), log_folder))
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    _conclude(one, result, results, report)
                    if one.cell in report.skipped:
                        tqdm.write(f"skipped {one.cell}: {report.skipped[one.cell]}")
                    if one.cell in report.failed:
                        tqdm.write(f"failed {one.cell}: {report.failed[one.cell]} ({one.log})")
                    bar.update()
                    bar.set_postfix_str(f"last {one.cell}")
                time.sleep(0.02)
    finally:
        for one in running:
            one.process.kill()
            one.process.wait()
            one.log.unlink(missing_ok=True)
        lock.release()
    return report


def _start(target: str, results: str, cell: Cell, log_folder: Path) -> _Running:
    log = log_folder / f"{cell}.log"
    module = f"{__package__}.cell_process"
    arguments = [target, results, cell.row, cell.setting, str(cell.seed), str(os.getpid())]
    with open(log, "wb") as output:
        process = subprocess.Popen(
            # Unbuffered, so that the last line of the log is what was said last.
            [sys.executable, "-u", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_ONE_THREAD, "PYTHONHASHSEED": "0"},
        )
    return _Running(cell, process, log)


def _conclude(one: _Running, result: Result, results: str, report: CellsReport) -> None:
    """Sort a cell whose process has ended into the report; only failures keep their log."""
    if one.process.returncode == 0 and load_cell(result, one.cell, results) is not None:
        report.finished.append(one.cell)
        one.log.unlink()
        return
    lines = one.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    ending = f"no cell was written, exit status {one.process.returncode}"
    if one.process.returncode == SKIPPED and lines:
        report.skipped[one.cell] = lines[-1]
        one.log.unlink()
    else:
        report.failed[one.cell] = lines[-1] if lines else ending
