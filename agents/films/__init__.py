"""Films of players in worlds that change."""

from .film import make_film
from .frames import Frames
from .recording import FilmedEnv, Game, Moment, make_filmed_env, record_game
from .writing import write_film

__all__ = [
    "FilmedEnv",
    "Frames",
    "Game",
    "Moment",
    "make_film",
    "make_filmed_env",
    "record_game",
    "write_film",
]
