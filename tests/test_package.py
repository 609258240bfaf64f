"""The package as a whole: what it names, and what importing it costs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import driftwise

ROOT = Path(driftwise.__file__).parent
NOT_PACKAGES = {"tests", "docs", "results", "runs", "build", "dist"}


def python(code):
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="not a source tree")
def test_pyproject_names_every_folder():
    text = (ROOT / "pyproject.toml").read_text()
    (listed,) = re.findall(r"^packages = \[\n(.*?)^\]", text, re.M | re.S)
    named = set(re.findall(r'"([\w.]+)"', listed))
    found = {"driftwise"}
    for file in ROOT.rglob("__init__.py"):
        parts = file.parent.relative_to(ROOT).parts
        if parts and parts[0] not in NOT_PACKAGES and not parts[0].startswith("."):
            found.add(".".join(("driftwise", *parts)))
    assert named == found


def test_the_version_is_that_of_the_installed_package():
    from importlib.metadata import version

    assert version("driftwise") == driftwise.__version__


def test_importing_is_light():
    heavy = ["torch", "stable_baselines3", "matplotlib", "scipy", "tensorboard", "tyro"]
    code = f"import sys, driftwise; print([name for name in {heavy} if name in sys.modules])"
    assert python(code) == "[]"


def test_importing_registers_the_environments():
    code = "import driftwise, gymnasium; print(gymnasium.spec('driftwise/ShiftingBandit-v0').id)"
    assert python(code) == "driftwise/ShiftingBandit-v0"


def test_the_ground_floors_work_without_gymnasium():
    code = (
        "import sys; sys.modules['gymnasium'] = None; sys.modules['stable_baselines3'] = None\n"
        "import driftwise, driftwise.memory, driftwise.tracking, driftwise.evaluation\n"
        "import torch\n"
        "print(driftwise.memory.SparseFastWeights(4)(torch.zeros(1, 2, 4))[0].shape)\n"
        "from driftwise.envs import Glyphs, IIDStream\n"
        "stream = IIDStream(Glyphs(2, 2), train_drawings=1, test_drawings=1)\n"
        "print(stream.next_batch().images.shape)"
    )
    assert python(code) == "torch.Size([1, 2, 4])\n(32, 28, 28)"


@pytest.mark.parametrize("folder", ["memory", "envs", "evaluation", "tracking"])
def test_imports_go_down_only(folder):
    """The ground floors import no other folder of the package; agents import no scripts."""
    for file in (ROOT / folder).rglob("*.py"):
        out_of_folder = "." * (len(file.relative_to(ROOT / folder).parts) + 1)
        for line in file.read_text().splitlines():
            assert not re.match(rf"\s*from {re.escape(out_of_folder)}", line), (
                f"{file.name}: {line}"
            )
            assert not re.match(r"\s*(from|import) driftwise", line), f"{file.name}: {line}"


@pytest.mark.parametrize(("folder", "other"), [("agents", "lm"), ("lm", "agents")])
def test_agents_and_language_models_import_neither_scripts_nor_one_another(folder, other):
    for file in (ROOT / folder).rglob("*.py"):
        assert not re.search(rf"from \.+(scripts|benchmarks|{other})\b", file.read_text()), (
            file.name
        )
