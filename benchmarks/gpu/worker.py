"""Runs the stages of a block, in a process that outlives the command that began it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

import driftwise
from driftwise.benchmarks.gpu.blocks import Stage, stages_of
from driftwise.benchmarks.gpu.context import Context, Settings, Skipped
from driftwise.tracking import make_writable_folder, read_metrics, write_json
from driftwise.tracking.lock import FileLock

LOCK, LOG = ".lock", "worker.log"
LOOK, TELL = 0.5, 30.0  # seconds between looks at a worker, and between lines about training


def work(settings: Settings, folder: Path, results: Path) -> None:
    """Do what is missing of a block, in this process.

    A stage that fails does not keep those from running that do without it.

    Raises:
        RuntimeError: Stages have failed; the message says which and why. Or another process is at
            work in the folder.
    """
    lock = FileLock(make_writable_folder(folder) / LOCK, f"the block in {folder}")
    try:
        context, stages = Context(settings, folder, results), stages_of(settings)
        make_writable_folder(folder / "stages")
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder.resolve() / "inductor"))
        with context.clock:
            failed = _run(context, stages)
        if failed:
            raise RuntimeError("; ".join(failed))
        context.say(f"block {settings.block} is done; records are in {results}")
    finally:
        lock.release()


def _run(context: Context, stages: Sequence[Stage]) -> list[str]:
    failed = []
    for stage in stages:
        if _done(context, stage.name):
            continue
        begun = time.monotonic()
        try:
            for name in stage.needs:
                if not _done(context, name):
                    raise Skipped(f"there is no outcome of {name}")
            context.say(stage.name)
            found = stage.run(context)
        except Skipped as reason:
            context.say(f"{stage.name} is left out: {reason}")
            found = {"skipped": str(reason)}
        except Exception as error:
            traceback.print_exc()
            failed.append(f"{stage.name} failed: {' '.join(str(error).split()) or repr(error)}")
            context.say(failed[-1])
            continue
        finally:
            if context.device.type == "cuda":
                torch.cuda.empty_cache()
        seconds = round(time.monotonic() - begun, 1)
        write_json(context.stage_path(stage.name), {**found, "stage_seconds": seconds})
    return failed


def _done(context: Context, stage: str) -> bool:
    outcome = context.outcome(stage)
    return bool(outcome) and "skipped" not in outcome


def unfinished(settings: Settings, folder: Path) -> list[str]:
    """Stages that have no outcome yet, not even that there was no time for them."""
    context = Context(settings, folder, folder)
    return [stage.name for stage in stages_of(settings) if not context.outcome(stage.name)]


class Worker(NamedTuple):
    """A process at work in a folder.

    Attributes:
        process: It, where this process has begun it; else it is known by the lock that it holds.
        offset: Where in its log to begin to read.
    """

    process: subprocess.Popen[bytes] | None
    offset: int

    def at_work(self, folder: Path) -> bool:
        """Whether it has not ended."""
        if self.process is not None:
            return self.process.poll() is None
        return FileLock.held(folder / LOCK)


def begin(arguments: Sequence[str], folder: Path) -> Worker:
    """Begin ``driftwise gpu-run`` with these arguments in a session of its own (setsid)."""
    package = str(Path(driftwise.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    with open(make_writable_folder(folder) / LOG, "ab") as log:
        offset = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "driftwise.scripts.main", "gpu-run", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )
    return Worker(process, offset)


def watch(folder: Path, worker: Worker, seconds: float, say: Callable[[str], None]) -> bool:
    """Show what a worker writes, for some seconds at most.

    Args:
        folder: Of the block.
        worker: At work there.
        seconds: How long.
        say: Prints some lines.

    Returns:
        Whether it is still at work.
    """
    now = time.monotonic()
    end, tell, offset = now + seconds, now + TELL, worker.offset
    while True:
        working = worker.at_work(folder)
        with open(folder / LOG, "rb") as file:
            file.seek(offset)
            written = file.read()
        offset += len(written)
        if written:
            say(written.decode("utf-8", "replace").rstrip("\n"))
        now = time.monotonic()
        if not working or now > end:
            return working
        if now > tell:
            tell = now + TELL
            say(training_progress(folder))
        time.sleep(LOOK)


def training_progress(folder: Path) -> str:
    """A line about the run that was logged last."""
    files = sorted(folder.glob("runs/*/*/metrics.jsonl"), key=lambda path: path.stat().st_mtime)
    lines = (
        [line for line in read_metrics(files[-1].parent) if "train/loss" in line] if files else []
    )
    if not lines:
        return "  ..."
    last = lines[-1]
    return (
        f"  {files[-1].parent.name}: step {last['step']:,}, loss {last['train/loss']:.3f}, "
        f"{last['time/tokens_per_s']:,.0f} tokens/s"
    )
