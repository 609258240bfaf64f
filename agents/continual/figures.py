"""What a run on a stream of tasks looks like: what is known of each task as others come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.figure_style import STYLE
from .record import TaskRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOW = 100


def plot_tasks(record: TaskRecord, ends: Sequence[int], title: str) -> Figure:
    """Plot the accuracy on each task after each, and that of batches before they are learned.

    Args:
        record: of the run.
        ends: steps of the stream at which the tasks end.
        title: above the figure.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(7.4, 3.1), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        left, right = figure.subplots(1, 2)
        image = left.imshow(record.accuracy, vmin=0, vmax=1, cmap="viridis", aspect="auto")
        left.set(title="Accuracy on each task", xlabel="task", ylabel="after learning task")
        figure.colorbar(image, ax=left)
        online = np.array(record.online)
        window = min(WINDOW, len(online))
        means = np.convolve(online, np.full(window, 1 / window), mode="valid")
        right.plot(np.arange(window, len(online) + 1), means, color="#444444")
        right.set(title=f"Before learning, means of {window}", xlabel="step", ylabel="accuracy")
        right.set(ylim=(0, 1))
        right.grid(axis="y")
        if len(ends) <= 20:
            for end in ends[:-1]:
                right.axvline(end, color="#bbbbbb", linewidth=0.5)
    return figure
