"""Pictures of a trip: the graph as text, and as an image drawn with numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .island_graphs import NO_LINK
from .rendering import paint_disc

_SIDE, _EDGE, _RADIUS, _DOTS = 300, 6, 110.0, 24
_PAPER = (255, 255, 255)
_FRAME = (225, 225, 225)
_CHANGED = (210, 60, 50)
_ISLAND = (150, 165, 190)
_DESTINATION = (60, 160, 90)
_AGENT = (226, 130, 40)
_TRANSPORTS = ((66, 74, 92), (130, 90, 170), (200, 150, 40), (60, 140, 190))


class IslandPicture(NamedTuple):
    """One step of one world.

    Attributes:
        step: Step within the episode.
        links: Where each transport leads from each island, or -1 where it does not go.
        destination: The destination of this step.
        position: Island of the agent after the step (before it is moved elsewhere).
        trail: Where it was before the step; equal to ``position`` at the start.
        action: The transport, or -1 at the start.
        reward: What it paid.
        info: The info of this step.
    """

    step: int
    links: Sequence[Sequence[int]]
    destination: int
    position: int
    trail: int
    action: int
    reward: float
    info: dict[str, Any]

    def draw(self, render_mode: str) -> str | NDArray[np.uint8]:
        """Text, or an image (300, 300, 3) of uint8."""
        return _text(self) if render_mode == "ansi" else _image(self)


def _text(picture: IslandPicture) -> str:
    """A line about the step, then an island per line: ``@`` the agent, ``*`` the destination."""
    info, moved = picture.info, "no trip yet"
    if picture.action >= 0:
        moved = (
            f"transport {picture.action} from {picture.trail} to {picture.position} paid "
            f"{picture.reward:.3g}, regret {info['regret']:.0f}"
        )
    since = "changed now" if info["changed"] else f"{info['steps_since_change']} steps old"
    lines = [f"step {picture.step}: {moved}; graph {info['context']}, {since}"]
    for island, links in enumerate(picture.links):
        mark = ("@" if island == picture.position else " ") + (
            "*" if island == picture.destination else " "
        )
        ways = "".join(f"{'-' if link == NO_LINK else link:>4}" for link in links)
        lines.append(f"{mark}{island:3d} ->{ways}")
    return "\n".join(lines) + "\n"


def _image(picture: IslandPicture) -> NDArray[np.uint8]:
    """Islands on a circle, the first on top; links as trails of dots that grow on their way.

    Each transport has a colour. The destination is green, the agent an orange disc; an orange trail
    shows its last trip. The frame is red at a step at which the graph has changed.
    """
    image = np.empty((_SIDE, _SIDE, 3), dtype=np.uint8)
    image[:] = _CHANGED if picture.info["changed"] else _FRAME
    image[_EDGE:-_EDGE, _EDGE:-_EDGE] = _PAPER
    count = len(picture.links)
    angles = 2 * np.pi * np.arange(count) / count
    places = _SIDE / 2 + _RADIUS * np.stack([-np.cos(angles), np.sin(angles)], axis=1)

    def trail(start: int, end: int, transport: int, color: tuple[int, int, int]) -> None:
        way = places[end] - places[start]
        # Links of one pair of islands lie side by side, each on the right of its direction.
        side = np.array([way[1], -way[0]]) / np.hypot(*way) * (3.0 + 5.0 * transport)
        for share in np.linspace(0.12, 0.88, _DOTS):
            row, column = places[start] + share * way + side
            paint_disc(image, row, column, 0.5 + 2.5 * share, color)

    for island, links in enumerate(picture.links):
        for transport, link in enumerate(links):
            if link != NO_LINK:
                trail(island, link, transport, _TRANSPORTS[transport % len(_TRANSPORTS)])
    if picture.trail != picture.position:
        trail(picture.trail, picture.position, picture.action, _AGENT)
    for island, (row, column) in enumerate(places):
        color = _DESTINATION if island == picture.destination else _ISLAND
        paint_disc(image, row, column, 16.0, color)
    row, column = places[picture.position]
    paint_disc(image, row, column, 9.0, _AGENT)
    return image
