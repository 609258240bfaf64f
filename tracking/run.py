"""The run folder: config, metrics, checkpoints, figures and report of one training run.

::

    runs/<task>/<name>-<seed>/
        config.json         what was asked for; a resumed run must ask for the same
        metrics.jsonl       one line per log; wall-time fields are named time/...
        events.out.tfevents.*   the same for TensorBoard (tensorboard --logdir runs)
        checkpoints/step_000000012800/   see `checkpoint`
        figures/*.png
        report.json

A run that is killed at any moment, also ``kill -9`` in the middle of a checkpoint, continues from
its newest whole checkpoint: everything logged after it is cut off and made again. Hence the one
rule: log all of a step before its checkpoint.
"""

import io
import os
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from .atomic import make_writable_folder, remove_folder, remove_leftovers, write_bytes, write_json
from .checkpoint import CheckpointError, load_checkpoint, load_metadata, save_checkpoint
from .config import check_same_config
from .environment import machine, versions
from .lock import FileLock
from .metrics import TIME_PREFIX, MetricsFile, plain_metrics
from .plain import to_plain

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Resume = Literal["auto"] | bool
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_STEP = re.compile(r"step_(\d+)")


def list_checkpoints(run_folder: str | os.PathLike[str]) -> list[tuple[int, Path]]:
    """Return (step, folder) of every checkpoint of a run, oldest first, whole or not."""
    folder = Path(run_folder) / "checkpoints"
    found = ((_STEP.fullmatch(path.name), path) for path in folder.glob("step_*"))
    return sorted((int(match[1]), path) for match, path in found if match)


def latest_checkpoint(run_folder: str | os.PathLike[str]) -> tuple[int, Any] | None:
    """Load the newest whole checkpoint of a run, without opening the run.

    Damaged ones are skipped with a warning.

    Returns:
        (step, tree), or None if there is none.
    """
    for step, path in reversed(list_checkpoints(run_folder)):
        try:
            return step, load_checkpoint(path)
        except CheckpointError as error:
            warnings.warn(f"skipped a damaged checkpoint: {error}", stacklevel=2)
    return None


class RunFolder:
    """One training run on disk, held by one process; make it with `RunFolder.open`.

    A context manager: leaving it closes the files and gives the folder free.

    Attributes:
        path: The folder.
        config: The configuration in plain data, as in config.json.
        resumed_from: Step of the checkpoint that the run continues from, or None if it begins.
    """

    path: Path
    config: dict[str, Any]
    resumed_from: int | None

    @classmethod
    def open(
        cls,
        root: str | os.PathLike[str],
        task: str,
        name: str,
        seed: int,
        config: Any,
        *,
        resume: Resume = "auto",
        keep: int = 2,
        ignore: Sequence[str] = (),
        tensorboard: bool = True,
    ) -> "RunFolder":
        """Create the folder ``root/task/name-seed``, or continue the run in it.

        On continuing, metrics.jsonl is cut back to the newest whole checkpoint (to nothing where
        there is none), and damaged checkpoints are renamed to ``damaged-...`` with a warning.

        Args:
            root: Usually "runs".
            task: What is trained on; a folder name.
            name: What is trained; a folder name.
            seed: The run's seed, not negative.
            config: Dict or dataclass of plain data (see `plain.to_plain`).
            resume: "auto" continues where there is a run and begins one where there is none;
                True insists on the first (with a checkpoint), False on the second.
            keep: How many of the newest checkpoints to keep.
            ignore: Dotted names of config fields that may change on resume, as a device.
            tensorboard: Write TensorBoard events too.

        Raises:
            ValueError: If an argument is out of range, or the config differs from that of the run
                to continue; names the field.
            TypeError: If the config is not plain data; names the field.
            FileExistsError: If there is a run and ``resume`` is False.
            FileNotFoundError: If there is no checkpoint and ``resume`` is True.
            RuntimeError: If another process holds the folder.
            OSError: If the folder cannot be written; names it.
        """
        for label, part in (("task", task), ("name", name)):
            if not isinstance(part, str) or not _NAME.fullmatch(part):
                raise ValueError(f"{label} must be letters, digits, '_', '-' and '.', got {part!r}")
        if not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed must be a non-negative integer, got {seed!r}")
        if not isinstance(keep, int) or keep < 1:
            raise ValueError(f"keep must be at least 1, got {keep!r}")
        if resume not in ("auto", True, False):
            raise ValueError(f"resume must be 'auto', True or False, got {resume!r}")
        plain = to_plain(config, "config")
        if not isinstance(plain, dict):
            raise TypeError(f"config must be a dict or a dataclass, got {type(config).__name__}")

        path = Path(root) / task / f"{name}-{seed}"
        if resume is True and not list_checkpoints(path):
            raise FileNotFoundError(f"resume=True, but there is no checkpoint in {path}")
        make_writable_folder(path)
        lock = FileLock(path / ".lock", f"run folder {path}")
        try:
            return cls(path, lock, plain, resume, keep, ignore, tensorboard)
        except BaseException:
            lock.release()
            raise

    def __init__(
        self,
        path: Path,
        lock: FileLock,
        config: dict[str, Any],
        resume: Resume,
        keep: int,
        ignore: Sequence[str],
        tensorboard: bool,
    ) -> None:
        self.path, self.config = path, config
        self._lock, self._keep = lock, keep
        self._with_tensorboard = tensorboard
        self._tensorboard: SummaryWriter | None = None
        self._versions = versions()
        make_writable_folder(path / "checkpoints")
        for folder in (path, path / "checkpoints", path / "figures"):
            remove_leftovers(folder)

        config_file = path / "config.json"
        if config_file.exists():
            if resume is False:
                raise FileExistsError(
                    f"resume=False, but {path} already holds a run: "
                    "delete it or use another name or seed"
                )
            check_same_config(config_file, config, ignore)
        else:
            write_json(config_file, config)

        progress = self._find_progress()
        self.resumed_from = progress["step"]
        if resume is True and self.resumed_from is None:
            raise FileNotFoundError(f"resume=True, but there is no whole checkpoint in {path}")
        self._resumed_at: list[int] = list(progress["resumed_at"])
        if self.resumed_from is not None:
            self._resumed_at.append(self.resumed_from)
        self._metrics = MetricsFile(path / "metrics.jsonl", progress["metrics_bytes"])
        self._checkpoint_step = -1 if self.resumed_from is None else self.resumed_from
        self._prune()  # a killed process may not have come to it
        self._elapsed_before = progress["elapsed_s"]
        self._opened_at = time.perf_counter()

    def _find_progress(self) -> dict[str, Any]:
        """Return what the newest whole checkpoint says about the run; set damaged ones aside."""
        for step, folder in reversed(list_checkpoints(self.path)):
            try:
                progress = load_metadata(folder)
            except CheckpointError as error:
                warnings.warn(f"skipped a damaged checkpoint: {error}", stacklevel=4)
                aside = folder.with_name(f"damaged-{folder.name}")
                remove_folder(aside)
                os.rename(folder, aside)
                continue
            if progress["versions"] != self._versions:
                warnings.warn(
                    f"{self.path} was trained with {progress['versions']}, now there is "
                    f"{self._versions}: the results may not be bitwise the same",
                    stacklevel=4,
                )
            return {**progress, "step": step}
        return {"step": None, "metrics_bytes": 0, "elapsed_s": 0.0, "resumed_at": []}

    @property
    def elapsed_s(self) -> float:
        """Wall time in seconds, of earlier parts of a resumed run too (up to the checkpoint)."""
        return float(self._elapsed_before + time.perf_counter() - self._opened_at)

    @property
    def finished(self) -> bool:
        """Whether the run has written its report."""
        return (self.path / "report.json").exists()

    @property
    def tensorboard(self) -> "SummaryWriter | None":
        """The TensorBoard writer, for histograms and images; None where it is switched off.

        On resume it tells TensorBoard to drop the events that were cut from metrics.jsonl.
        """
        if self._tensorboard is None and self._with_tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            _wait_for_a_later_name(self.path)
            first_step = 0 if self.resumed_from is None else self.resumed_from + 1
            self._tensorboard = SummaryWriter(str(self.path), purge_step=first_step)
        return self._tensorboard

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl, and the same to TensorBoard.

        The line gets ``time/elapsed_s`` too. Name every wall-time metric ``time/...``: those are
        what comparisons leave out.

        Args:
            step: Training step; must not go back, and must lie beyond the last checkpoint's: a
                resumed run would not make the line again.
            metrics: One number per name; non-finite ones are written as "NaN", "Infinity" and
                "-Infinity" (`read_metrics` reads them back).

        Raises:
            TypeError: If a value is not one number; names the metric.
            ValueError: If ``step`` is too small or a metric is named "step".
            OSError: If the file cannot be written; names it.
        """
        if step <= self._checkpoint_step:
            raise ValueError(
                f"log step {step} before the checkpoint of step {self._checkpoint_step}, not after"
            )
        values = plain_metrics(metrics)
        values.setdefault(TIME_PREFIX + "elapsed_s", round(self.elapsed_s, 3))
        self._metrics.append(int(step), values)
        if self.tensorboard is not None:
            for name, value in values.items():
                self.tensorboard.add_scalar(name, value, step)

    def checkpoint(self, step: int, tree: Any) -> None:
        """Save all that the run needs to continue from here, and make what was logged durable.

        The newest ``keep`` checkpoints stay.

        Args:
            step: Training step, not below the last one logged.
            tree: See `save_checkpoint`; with everything random in it (`rng_state`).

        Raises:
            ValueError: If ``step`` is too small.
            TypeError: If the tree holds something that cannot be stored; names the place.
            OSError: If it cannot be written; earlier checkpoints are untouched.
        """
        least = max(0, self._checkpoint_step, self._metrics.last_step or 0)
        if step < least:
            raise ValueError(f"step must be at least {least}, the last one seen, got {step}")
        if self._tensorboard is not None:
            self._tensorboard.flush()
        progress = {
            "step": int(step),
            "metrics_bytes": self._metrics.sync(),
            "elapsed_s": self.elapsed_s,
            "resumed_at": self._resumed_at,
            "versions": self._versions,
        }
        save_checkpoint(self.path / "checkpoints" / f"step_{step:012d}", tree, progress)
        self._checkpoint_step = int(step)
        self._prune()

    def _prune(self) -> None:
        """Remove all but the newest checkpoints."""
        for _, folder in list_checkpoints(self.path)[: -self._keep]:
            remove_folder(folder)

    def latest_checkpoint(self) -> tuple[int, Any] | None:
        """Load the newest whole checkpoint: (step, tree), or None if there is none."""
        return latest_checkpoint(self.path)

    def report(self, fields: Mapping[str, Any]) -> None:
        """Write report.json: the fields, versions, machine, and under "time" what may differ."""
        timing = {
            "date": time.strftime("%Y-%m-%d"),
            "elapsed_s": round(self.elapsed_s, 3),
            "resumed_at_steps": self._resumed_at,
        }
        report = {**fields, "versions": self._versions, "machine": machine(), "time": timing}
        write_json(self.path / "report.json", report)

    def save_figure(self, name: str, figure: Any) -> Path:
        """Save a matplotlib figure as figures/<name>.png (200 dpi) and return the path."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"name must be letters, digits, '_', '-' and '.', got {name!r}")
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=200)
        path = make_writable_folder(self.path / "figures") / f"{name}.png"
        write_bytes(path, image.getvalue())
        return path

    def close(self) -> None:
        """Close the files and give the folder free; calling it again does nothing."""
        if self._tensorboard is not None:
            self._tensorboard.close()
            self._tensorboard = None
        self._metrics.close()
        self._lock.release()

    def __enter__(self) -> "RunFolder":
        """Return the run itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the run."""
        self.close()


def _wait_for_a_later_name(folder: Path) -> None:
    """Wait, at most a second, until a new event file would sort after those in ``folder``.

    Their names begin with the second; TensorBoard reads them in that order, and has to read what
    was cut off before it is told so.
    """
    seconds = [int(path.name.split(".")[3]) for path in folder.glob("events.out.tfevents.*")]
    if seconds and max(seconds) == int(time.time()):
        time.sleep(1 - time.time() % 1)
