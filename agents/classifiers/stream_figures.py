"""What a run on a stream looks like: the levels, and the classes that are mixed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...envs import contact_sheet
from ...envs.image_streams import Batch
from ...evaluation.figure_style import STYLE, label_ends, line_styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIRS = 8


def confusion_sheet(held_out: Batch, predicted: NDArray[np.int64]) -> NDArray[np.uint8] | None:
    """The pairs of classes that are mixed up most, one in each row of a grey image.

    From left to right: a drawing that was mistaken, another one of its class, and two of the class
    that it was taken for.

    Args:
        held_out: all held-out drawings of the labels from 0 to n - 1, as ``stream.held_out(0, n)``
            returns them.
        predicted: (len(held_out.labels),) labels.

    Returns:
        The image, or None if all is right, or wrong only by labels of classes still to come.
    """
    images, labels = held_out
    drawings = len(labels) // (int(labels[-1]) + 1)
    wrong = np.flatnonzero((predicted != labels) & (predicted <= labels[-1]))
    pairs = Counter(zip(labels[wrong].tolist(), predicted[wrong].tolist(), strict=True))
    rows = []
    for (label, taken_for), _ in pairs.most_common(PAIRS):
        first, other = label * drawings, taken_for * drawings
        mistaken = first + int(np.argmax(predicted[first : first + drawings] == taken_for))
        another = first + (mistaken - first + 1) % drawings
        rows.append([mistaken, another, other, other + min(1, drawings - 1)])
    if not rows:
        return None
    return contact_sheet((images[np.array(rows)] * 255).astype(np.uint8), scale=2)


def plot_stages(stages: Sequence[Mapping[str, Any]], title: str, *, with_steps: bool) -> Figure:
    """Plot the accuracy at the end of every stage of a run and, if wanted, its steps.

    Args:
        stages: as in :class:`~.stream_record.StreamRecord`.
        title: above the figure.
        with_steps: whether to plot the steps, which in a curriculum are the learner's own.
    """
    import matplotlib
    from matplotlib.figure import Figure

    # An i.i.d. stream has all classes from the start.
    over = "step" if stages[0]["classes"] == stages[-1]["classes"] else "classes"
    x = [stage[over] for stage in stages]
    names = [name for name in ("new", "old") if any(s[name] is not None for s in stages)]
    looks = line_styles(names, ())
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(7.4 if with_steps else 4.6, 3.1), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        *left, right = np.atleast_1d(figure.subplots(1, 1 + with_steps))
        for axes in left:
            axes.plot(x, [s["steps"] for s in stages], "o-", markersize=3, color="#444444")
            axes.set(title="Steps of each level", xlabel=over, ylabel="steps", ylim=(0, None))
            axes.grid(axis="y")
            if not stages[-1]["complete"]:
                axes.annotate("not completed", (x[-1], stages[-1]["steps"]), ha="right", fontsize=7)
        for name in names:
            values = [np.nan if s[name] is None else s[name] for s in stages]
            right.plot(x, values, marker="o", markersize=3, **looks[name])
        right.set(title="At the end of each", xlabel=over, ylim=(0, 1))
        right.set(ylabel="accuracy on held-out drawings")
        right.grid(axis="y")
        label_ends(figure, right, looks, {"new": "new classes", "old": "old classes"})
    return figure
