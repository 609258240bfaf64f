"""A small training run, started as a process by the tests, that can be killed anywhere.

usage: python toy_run.py ROOT          one training of 300 steps
       python toy_run.py ROOT every    small ones, killed at every file operation, and resumed

Dying means SIGKILL to itself just before the n-th file operation that writes, renames or flushes,
or in the middle of one that writes: nothing is cleaned up.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from driftwise.tracking import RunFolder, read_metrics
from driftwise.tracking.metrics import MetricsFile

STEPS, EVERY = 4, 2


def train(root: str, steps: int = STEPS, every: int = EVERY, pause: float = 0.0) -> None:
    """Draw a random walk whose every step depends on all before."""
    rng = np.random.default_rng(7)
    config = {"steps": steps, "every": every, "width": 4}
    with RunFolder.open(root, "toy", "walk", 0, config, keep=1, tensorboard=False) as run:
        step, walk = 0, np.zeros(4)
        latest = run.latest_checkpoint()
        if latest is not None:
            step, tree = latest
            walk, rng.bit_generator.state = tree["walk"], tree["rng"]
        while step < steps:
            step += 1
            time.sleep(pause)
            walk = 0.9 * walk + rng.standard_normal(4)
            run.log(step, {"loss": walk.sum(), "count": step, "time/nonsense": os.getpid()})
            if step % every == 0:
                run.log(step, {"mean": walk.mean() if step % 2 else float("nan")})
                run.checkpoint(step, {"walk": walk, "rng": rng.bit_generator.state})
        run.report({"final": walk})


def die_at(operation: int) -> None:
    """Make this process kill itself at the given file operation."""
    count = 0

    def now() -> bool:
        nonlocal count
        count += 1
        return count == operation

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def before(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if now():
                kill()
            return function(*args, **kwargs)

        return wrapped

    for name in ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir"):
        setattr(os, name, before(getattr(os, name)))

    def torn_append(self: MetricsFile, step: int, metrics: Mapping[str, float]) -> None:
        if now():
            os.write(self._file.fileno(), b'{"step": 1, "lo')
            kill()
        append(self, step, metrics)

    def torn_write(path: Path, data: bytes) -> int:
        if now():
            write(path, data[: len(data) // 2])
            kill()
        return write(path, data)

    append, write = MetricsFile.append, Path.write_bytes
    MetricsFile.append = torn_append  # type: ignore[method-assign]
    Path.write_bytes = torn_write  # type: ignore[method-assign, assignment]


def in_a_child(function: Callable[[], None]) -> int:
    """Run in a forked process and return its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def outcome(root: str) -> tuple[list[dict[str, float]], bytes]:
    """What has to be the same: metrics apart from time, and the last checkpoint's bytes."""
    folder = Path(root, "toy", "walk-0")
    last = sorted((folder / "checkpoints").iterdir())[-1]
    return read_metrics(folder, drop_time=True), (last / "state.safetensors").read_bytes()


def every_operation(root: str) -> None:
    """Kill a run at each of its operations in turn; print how many there were."""
    os.fsync = lambda fd: None  # slow, and of no use against a kill
    train(root)
    expected = str(outcome(root))  # as text: NaN equals itself there
    operation = 0
    while True:
        operation += 1
        shutil.rmtree(root)

        def killed(operation: int = operation) -> None:
            die_at(operation)
            train(root)

        status = in_a_child(killed)
        if status == 0:
            break
        assert os.WIFSIGNALED(status), f"operation {operation} failed"
        assert in_a_child(lambda: train(root)) == 0, f"resume after operation {operation} failed"
        assert str(outcome(root)) == expected, f"operation {operation} changed the outcome"
        names = {path.name for path in Path(root, "toy", "walk-0", "checkpoints").iterdir()}
        assert names == {f"step_{STEPS:012d}"}, f"operation {operation} left {names}"
    print(operation - 1)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        train(sys.argv[1], steps=300, every=20, pause=0.002)  # time to be killed in
    else:
        every_operation(sys.argv[1])
