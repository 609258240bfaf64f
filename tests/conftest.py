"""What all tests share."""

import gc
import os

# Gymnasium's checker opens windows. With SDL's own video drivers, on a machine without a display,
# whoever loads Triton after that (torch does, sooner or later) crashes the process.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported, which it would look through all the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
