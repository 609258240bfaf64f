"""The examples of the page and of the docstrings run, and the page names every policy."""

import doctest
import re
from pathlib import Path

import pytest

import driftwise
from driftwise.agents import sb3_vec_env
from driftwise.agents.bandits import POLICIES

PAGE = Path(driftwise.__file__).parent / "docs" / "bandit_policies.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="docs/ is not part of a package")


def test_examples_of_the_page_run(capsys):
    known = dict(POLICIES)
    try:
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
            exec(compile(block, str(PAGE), "exec"), {"__name__": "page"})
        assert POLICIES.keys() - known.keys() == {"win_stay"}
    finally:
        POLICIES.pop("win_stay", None)
    printed = capsys.readouterr().out
    regrets = [float(x) for x in re.findall(r"regret per step (\S+)", printed)]
    assert len(regrets) == 4 and regrets == sorted(regrets, reverse=True)
    assert "regret 1.748" in printed


def test_page_names_every_policy():
    text = PAGE.read_text()
    assert [name for name in POLICIES if f"`{name}`" not in text] == []


def test_docstring_example_runs():
    assert doctest.testmod(sb3_vec_env).failed == 0
