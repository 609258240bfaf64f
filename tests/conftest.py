"""What all tests share."""

import os

# Gymnasium's checker opens windows. With SDL's own video drivers, on a machine without a display,
# whoever loads Triton after that (torch does, sooner or later) crashes the process.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
