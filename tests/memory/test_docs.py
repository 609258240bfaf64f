import re
from pathlib import Path

import pytest


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, from top to bottom in one session, as a reader would type them."""
    page = Path(__file__).parents[2] / "docs" / "memory.md"
    examples = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 5
    monkeypatch.chdir(tmp_path)
    session: dict[str, object] = {"__name__": "docs"}
    for number, example in enumerate(examples, 1):
        exec(compile(example, f"docs/memory.md, example {number}", "exec"), session)
    assert (tmp_path / "state.safetensors").is_file()
