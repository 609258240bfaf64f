"""Submissions side by side, as tables for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...evaluation.statistics import Interval
from .score import references, suite_interval, suite_scores
from .submission import Submission
from .worlds import WORLDS

# By whether the training was within the budget.
MARKS = {True: "  ", None: " ?", False: " *"}
MEANINGS = {
    " *": "* trained for more steps than the budget",
    " ?": "? trained for an unknown number of steps, if at all",
}


def compare_submissions(submissions: Sequence[Submission]) -> str:
    """A table of scores, a line a world and a column a submission.

    Marks tell what was trained for more steps than the budget, and what for an unknown number; a
    score has the worst of the marks of its worlds. With two submissions of all worlds, the
    difference of their scores is told, too. Both have played the same held-out worlds, so that its
    interval is over differences world by world.

    Args:
        submissions: one or more, as :func:`load_submission` returns them.
    """
    names = [submission["agent"] for submission in submissions]
    rows = [["", *(f"{name}  " for name in names)]]
    for world in WORLDS:
        rows.append([world, *(_world_cell(one["worlds"].get(world)) for one in submissions)])
    rows.append(["score", *map(_score_cell, submissions)])
    lines = _aligned(rows)
    for mark, meaning in MEANINGS.items():
        if any(cell.endswith(mark) for row in rows[1:] for cell in row[1:]):
            lines.append(meaning)
    if len(submissions) == 2 and all(one["score"] for one in submissions):
        difference = score_difference(*submissions)
        lines.append(
            f"{names[0]} - {names[1]}: "
            f"{difference.value:.3f} [{difference.low:.3f}, {difference.high:.3f}]"
        )
    return "\n".join(lines)


def score_difference(first: Submission, second: Submission) -> Interval:
    """The difference of two scores, with its 95 % interval over the held-out worlds of both."""
    scores = [
        suite_scores({name: entry["returns"] for name, entry in one["worlds"].items()})
        for one in (first, second)
    ]
    return suite_interval(scores[0] - scores[1])


def list_worlds() -> str:
    """The worlds of the suite as a table: budgets, and the returns that are scored 0 and 1."""
    rows = [["world", "training steps", "random", "oracle", "what changes"]]
    for name, world in WORLDS.items():
        random, oracle = references()[name]
        steps = f"{world.train_steps:,}"
        rows.append([name, steps, f"{random:.2f}", f"{oracle:.2f}", world.about])
    return "\n".join(_aligned(rows, last_left=True))


def _world_cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "-  "
    return _interval(entry, "score", "score_low", "score_high") + MARKS[entry["within_budget"]]


def _score_cell(submission: Submission) -> str:
    """The score, with the worst of the marks of its worlds."""
    if submission["score"] is None:
        return "-  "
    found = {entry["within_budget"] for entry in submission["worlds"].values()}
    mark = next(MARKS[within] for within in (False, None, True) if within in found)
    return _interval(submission["score"], "value", "low", "high") + mark


def _interval(entry: Mapping[str, float], value: str, low: str, high: str) -> str:
    return f"{entry[value]:.3f} [{entry[low]:.3f}, {entry[high]:.3f}]"


def _aligned(rows: Sequence[Sequence[str]], last_left: bool = False) -> list[str]:
    """Rows of cells as lines, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        if last_left:
            cells[-1] = row[-1]
        lines.append("  ".join(cells).rstrip())
    return lines
