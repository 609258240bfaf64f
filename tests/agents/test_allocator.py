"""Freed memory is kept: a step that allocates much asks the system for nothing new."""

import subprocess
import sys

import pytest

from driftwise.agents.allocator import keep_freed_memory

CODE = """
import resource, torch
from driftwise.agents.allocator import keep_freed_memory
keep_freed_memory()
def step():
    kept = [torch.ones(2_000_000) for _ in range(8)]
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_pages_are_not_asked_for_again():
    if not keep_freed_memory():
        pytest.skip("the C library is not glibc")
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2_000  # 78,000 otherwise, one for each 4 KiB
