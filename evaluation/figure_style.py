"""The common style of the figures: colours, lines with bands, labels at the ends of lines."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito 2008, Color Universal Design; the yellow is left out: too pale for a line on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
REFERENCE = "#888888"
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))  # when there are more names than colours
STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "axes.axisbelow": True,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "savefig.dpi": 200,
}
_LABEL_SIZE = 8.5  # points


def line_styles(names: Sequence[str], references: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the line style of every name: colours in order, thin grey dashes for references."""
    looks: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(name for name in names if name not in references):
        dash = _DASHES[i // len(PALETTE) % len(_DASHES)]
        looks[name] = {"color": PALETTE[i % len(PALETTE)], "linestyle": dash, "label": name}
    for i, name in enumerate(name for name in names if name in references):
        looks[name] = {"color": REFERENCE, "linestyle": _DASHES[1 + i % 2], "label": name}
        looks[name] |= {"linewidth": 1.1, "zorder": 1.5}
    return looks


def draw_line(
    axes: "Axes",
    x: ArrayLike,
    mean: NDArray[np.float64],
    half: NDArray[np.float64],
    look: Mapping[str, Any],
) -> None:
    """Draw a line with a band of half the width ``half`` on either side."""
    axes.fill_between(x, mean - half, mean + half, color=look["color"], alpha=0.18, linewidth=0)
    axes.plot(x, mean, **look)


def label_ends(
    figure: "Figure",
    axes: "Axes",
    looks: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, str] | None = None,
) -> None:
    """Write each line's name at its right end, moved apart where they would overlap."""
    ends = []
    for line in axes.get_lines():
        name = line.get_label()
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        known = np.flatnonzero(np.isfinite(y))
        if name in looks and known.size:
            ends.append((y[known[-1]], x[known[-1]], str(name)))
    ends.sort()
    figure.draw_without_rendering()  # settles the limits and the height of the axes
    height = axes.get_window_extent().height * 72 / figure.dpi  # points
    wanted = [
        axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[1] for y, x, _ in ends
    ]
    placed = _moved_apart(wanted, 1.15 * _LABEL_SIZE / height)
    for (_, _, name), place in zip(ends, placed, strict=True):
        axes.annotate(
            label(name, labels),
            (1, place),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            color=looks[name]["color"],
            fontsize=_LABEL_SIZE,
            va="center",
            annotation_clip=False,
        )


def _moved_apart(positions: Sequence[float], gap: float) -> list[float]:
    """Return ascending positions at least ``gap`` apart, each group centred on what it wanted."""
    groups: list[tuple[float, int]] = []  # (centre, how many)
    for position in positions:
        groups.append((position, 1))
        while len(groups) > 1:
            (low, a), (high, b) = groups[-2:]
            if high - low >= gap * (a + b) / 2:
                break
            groups[-2:] = [((low * a + high * b) / (a + b), a + b)]
    return [centre + gap * (i - (count - 1) / 2) for centre, count in groups for i in range(count)]


def label(name: str, labels: Mapping[str, str] | None) -> str:
    """Return what to call a row: its label, or its name without underscores."""
    return (labels or {}).get(name, name.replace("_", " "))
