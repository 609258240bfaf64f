"""Compiling a C file into a library of functions, once per machine."""

import atexit
import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import warnings
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
def compiled(source: Path, **macros: str | int) -> ctypes.CDLL | None:
    """The functions of a C file, compiled for this processor.

    Args:
        source: the file.
        **macros: what to define.

    Returns:
        The library, or None where there is no compiler, or where it fails (with a warning).
    """
    native = _native()
    if native is None:
        return None
    compiler, target, machine = native
    defines = [f"-D{name}={value}" for name, value in sorted(macros.items())]
    command = [*compiler, *FLAGS, *target, *defines]
    # The folder may be shared by machines whose processors differ.
    key = "\n".join((machine, *command)).encode() + source.read_bytes()
    name = f"{source.stem}-{hashlib.sha256(key).hexdigest()[:20]}.so"
    try:
        try:
            return _load_or_compile(command, source, cache_folder() / name)
        except OSError:  # no room or no right to write there
            return _load_or_compile(command, source, Path(_own_folder()) / name)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        warnings.warn(
            f"{source.name} was not compiled, and slower torch code runs instead "
            f"(DRIFTWISE_KERNELS=0 silences this): {reason.strip()}",
            stacklevel=2,
        )
        return None


def _load_or_compile(command: list[str], source: Path, library: Path) -> ctypes.CDLL:
    library.parent.mkdir(parents=True, exist_ok=True)
    if not library.exists():
        # Renamed when whole: another process may be compiling, or looking for, the same.
        with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
            made = Path(scratch) / library.name
            subprocess.run(
                [*command, str(source), "-o", str(made), "-lm"],
                check=True,
                capture_output=True,
                text=True,
            )
            made.replace(library)
    return ctypes.CDLL(str(library))


@cache
def _own_folder() -> str:
    """A folder of this process, removed at its end."""
    folder = tempfile.mkdtemp(prefix="driftwise-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _native() -> tuple[list[str], list[str], str] | None:
    """The compiler, its option for this processor, and all that it then predefines."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    for target in (["-march=native"], ["-mcpu=native"], []):
        command = [*compiler, *target, "-dM", "-E", "-x", "c", os.devnull]
        try:
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        except OSError:
            return None
        except subprocess.CalledProcessError:
            continue
        return compiler, target, done.stdout
    return None
