"""What a few-shot training run looks like: accuracy, and where the mask closes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...evaluation.figure_style import STYLE, label_ends, line_styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_history(history: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Plot the accuracy on held-out classes and the sparsity of each layer over the updates.

    Args:
        history: of each evaluation ``update``, ``accuracy`` and ``sparsity`` by layer.
        title: above the figure.
    """
    import matplotlib
    from matplotlib.figure import Figure

    updates = [entry["update"] for entry in history]
    layers = [name for name in history[-1]["sparsity"] if name != "total"]
    looks = line_styles([*layers, "total"], ["total"])
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(7.4, 3.1), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        left, right = figure.subplots(1, 2)
        left.plot(updates, [e["accuracy"] for e in history], "o-", markersize=3, color="#444444")
        left.set(title="Held-out classes", xlabel="update", ylabel="accuracy after adaptation")
        for name in (*layers, "total"):
            right.plot(updates, [entry["sparsity"][name] for entry in history], **looks[name])
        right.set(title="Sparsity of the mask", xlabel="update", ylim=(-0.02, 1.02))
        right.set(ylabel="share of weights that stay")
        for axes in (left, right):
            axes.grid(axis="y")
        label_ends(figure, right, looks)
    return figure
