"""What a result was computed with: package versions and a generic name of the machine."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("driftwise", "numpy", "scipy", "torch", "gymnasium", "stable-baselines3")


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of the installed ones among ``packages``.

    Reads the installed metadata, so nothing is imported.
    """
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what kind of machine this is, without anything that tells which one.

    Returns:
        ``kind`` ("2-core x86_64 CPU"), ``cores`` this process may use, ``memory_gib``, ``system``
        ("Linux"), and ``gpu``, the model, where torch is in use and sees one.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    found: dict[str, Any] = {
        "kind": f"{cores}-core {platform.machine()} CPU",
        "cores": cores,
        "system": platform.system(),
    }
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found["memory_gib"] = round(memory / 2**30)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found
