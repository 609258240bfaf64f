"""The ground floor is light: no torch, no gymnasium, matplotlib and scipy only when used."""

import subprocess
import sys


def test_importing_evaluation_is_light() -> None:
    code = """
import sys
before = set(sys.modules)
import driftwise.evaluation
new = set(sys.modules) - before
for name in ("torch", "matplotlib", "scipy", "driftwise.tracking"):
    assert name not in new, name
"""
    subprocess.run([sys.executable, "-c", code], check=True)
