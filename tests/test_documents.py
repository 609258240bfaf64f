"""README.md and docs/: their examples run as they stand, and their tables are those of results/."""

import re
from pathlib import Path

import pytest

import driftwise
from driftwise.evaluation import render_tables

ROOT = Path(driftwise.__file__).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# The pages of the environments and the bandit policies have tests of their own.
TOLD_HERE = [page for page in PAGES if page.name not in ("envs.md", "bandit_policies.md")]

pytestmark = pytest.mark.skipif(len(PAGES) == 1, reason="docs/ is not part of a package")


@pytest.mark.parametrize("page", TOLD_HERE, ids=lambda page: page.name)
def test_examples_run(page, tmp_path, monkeypatch):
    """From top to bottom in one session, as a reader would type them."""
    if page.name == "hugging_face.md":
        pytest.importorskip("transformers", reason="models of Hugging Face need the extra hf")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    session = {"__name__": "docs"}
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{page.name}, example {number}", "exec"), session)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_those_of_the_results(page):
    text = page.read_text("utf-8")
    assert render_tables(text, ROOT / "results") == text, "run `driftwise results tables`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text)
    for target, section in links:
        if "://" in target:
            continue
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not section or section in sections(path), f"{target}#{section}"


def sections(page):
    """What the headings of a page are linked by: lower case, without signs, words joined by -."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_ends_before_the_next_section(page):
    blocks = page.read_text("utf-8").split("\n```")
    assert len(blocks) % 2, "a code block is not closed"
    assert not any("\n## " in block for block in blocks[1::2])
