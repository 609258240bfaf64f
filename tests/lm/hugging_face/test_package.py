"""Without transformers: one line with the command, from this folder alone."""

import sys
from pathlib import Path

import pytest
import torch

import driftwise
from driftwise.lm.hugging_face import adapt


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    message = r"models of Hugging Face need the package transformers: pip install 'driftwise\[hf\]'"
    with pytest.raises(ImportError, match=message):
        adapt(torch.nn.Linear(2, 2))


def test_nothing_else_imports_it():
    root = Path(driftwise.__file__).parent
    files = [file for file in (root / "lm").rglob("*.py") if "tests" not in file.parts]
    files += [*(root / "memory").rglob("*.py"), *(root / "scripts").rglob("*.py")]
    wanting = [
        file.name
        for file in files
        if "import transformers" in file.read_text() or "from transformers" in file.read_text()
    ]
    assert len(files) > 50 and wanting == ["package.py"]
