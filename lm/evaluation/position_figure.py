"""A figure of loss by position, a line for each adapter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...evaluation.figure_style import STYLE, label_ends, line_styles
from .report import REFERENCE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_positions(report: Mapping[str, Any], *, in_documents: bool, title: str) -> Figure:
    """Nats per token by the position in the document, or by the part of a stream.

    Args:
        report: As :func:`.build_report` makes it.
        in_documents: Whether positions are those in documents, which are drawn on a logarithmic
            axis.
        title: Above the figure.
    """
    import matplotlib
    from matplotlib.figure import Figure

    looks = line_styles(list(report["adapters"]), [REFERENCE])
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        axes = figure.subplots()
        for name, entry in report["adapters"].items():
            places = [tuple(map(int, label.split("-"))) for label in entry["position"]]
            losses = [math.log(bucket["perplexity"]) for bucket in entry["position"].values()]
            axes.plot([(low + high + 1) / 2 for low, high in places], losses, **looks[name])
        if in_documents:
            axes.set_xscale("log", base=2)
        where = "in the document" if in_documents else "in the stream"
        axes.set(title=title, xlabel=f"position {where} (tokens)", ylabel="nats per token")
        axes.grid(axis="y")
        label_ends(figure, axes, looks)
    return figure
