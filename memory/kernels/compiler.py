"""Compiling a C file into a library of functions, once per machine."""

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

# -O2 keeps gcc from unrolling short inner loops before it can vectorise them. Sums may be
# reordered, which vectors need, and fused multiply-adds are welcome; NaN and infinity keep their
# meaning.
FLAGS = (
    "-O2", "-ftree-vectorize", "-std=c11", "-fPIC", "-shared",
    "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math",
    "-ffp-contract=fast",
)  # fmt: skip


def cache_folder() -> Path:
    """Where compiled kernels are kept: under ``DRIFTWISE_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("DRIFTWISE_CACHE")
    if chosen:
        return Path(chosen) / "kernels"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "driftwise" / "kernels"


@cache
def compiled(source: Path, **defines: str | int) -> ctypes.CDLL | None:
    """The functions of a C file, compiled for this processor.

    Args:
        source: the file.
        **defines: macros.

    Returns:
        The library, or None where there is no compiler, where compiling fails, or where the
        environment variable ``DRIFTWISE_KERNELS`` is 0.
    """
    native = None if os.environ.get("DRIFTWISE_KERNELS") == "0" else _native()
    if native is None:
        return None
    compiler, target, machine = native
    macros = [f"-D{name}={value}" for name, value in sorted(defines.items())]
    command = [compiler, *FLAGS, *target, *macros]
    # The folder may be shared by machines whose processors differ.
    key = "\n".join((machine, *command)).encode() + source.read_bytes()
    name = f"{source.stem}-{hashlib.sha256(key).hexdigest()[:20]}.so"
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            # Renamed when whole: another process may be compiling, or looking for, the same.
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                made = Path(scratch) / name
                subprocess.run(
                    [*command, str(source), "-o", str(made), "-lm"], check=True, capture_output=True
                )
                made.replace(folder / name)
        return ctypes.CDLL(str(folder / name))
    except (OSError, subprocess.CalledProcessError):
        return None


@cache
def _native() -> tuple[str, list[str], str] | None:
    """The compiler, its option for this processor, and all that it then predefines."""
    compiler = os.environ.get("CC", "cc")
    for target in (["-march=native"], ["-mcpu=native"], []):
        command = [*compiler.split(), *target, "-dM", "-E", "-x", "c", os.devnull]
        try:
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        except OSError:
            return None
        except subprocess.CalledProcessError:
            continue
        return compiler, target, done.stdout
    return None
