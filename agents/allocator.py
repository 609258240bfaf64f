"""Keep freed memory in the process instead of giving it back to the system at every step."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Tell the C library's allocator to keep up to 1 GiB that is free, for the whole process.

    By default glibc gives the top of its heap back as soon as some megabytes of it are free, and
    asks for it again at the next step; each page is then cleared anew. Where the tensors of a
    training step are a few megabytes, that can be a third of the time on a CPU. For programs, not
    for libraries: it concerns everything in the process.

    Returns:
        Whether it was done; it is not where the C library is another one.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # 32 MiB is the most that is allowed: larger tensors are still the system's.
    return bool(mallopt(_MMAP_THRESHOLD, 32 << 20) and mallopt(_TRIM_THRESHOLD, 1 << 30))
