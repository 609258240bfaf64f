"""``driftwise results``: fill and print the results of record."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from driftwise.evaluation import (
    build_result,
    format_table,
    load_result,
    render_tables,
    write_result,
)
from driftwise.tracking import import_result, load_cells, run_cells, write_text

RESULTS = (
    "training_throughput",
    "standard_bandit",
    "recurring_bandit",
    "stationary_bandits",
    "smn_ablation",
    "env_speed",
    "omniglot_curriculum",
    "omniglot_binding",
    "hebbian_ablation",
    "omniglot_scale",
    "island_transport",
    "maze",
    "barcode_recall",
    "drifting_control",
    "sparse_maml_signatures",
    "maml_speed",
    "lm_throughput",
    "drifting_corpus",
    "lm_ladder_ptb",
    "lm_ladder_wikitext2",
    "hebbian_news_books",
    "adaptation_cost",
    "osaka",
    "la_maml",
    "curriculum_masks",
    "online_rl_masks",
)
"""Results made of cells; each is a module of driftwise.benchmarks with a ``RESULT``."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given = _parser().parse_args(list(arguments))
    given.action(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "driftwise results",
        description="Results of record: JSON files in results/, filled cell by cell, from which "
        "the tables in README.md and docs/ are made.",
    )
    actions = parser.add_subparsers(required=True, metavar="action")

    run = actions.add_parser("run", help="compute what is missing of a result")
    run.add_argument("name", choices=RESULTS)
    run.add_argument("--rows", nargs="+", help="only these rows")
    run.add_argument("--settings", nargs="+", help="only these settings")
    run.add_argument("--seeds", nargs="+", type=int, help="only these seeds")
    run.add_argument("--jobs", type=int, default=2, help="cells at a time, one thread each")
    run.set_defaults(action=_run)

    show = actions.add_parser("show", help="print a result's table")
    show.add_argument("name", help="of a file in results/ of the current folder")
    show.add_argument("--metric", nargs="+", help="only these metrics")
    show.set_defaults(action=_show)

    tables = actions.add_parser("tables", help="make the tables in README.md and docs/ anew")
    tables.set_defaults(action=lambda given: render_documents(Path(".")))

    figures = actions.add_parser("figures", help="draw the figures of results in docs/images anew")
    figures.set_defaults(action=lambda given: draw_figures(Path(".")))
    return parser


def _run(given: argparse.Namespace) -> None:
    target = f"driftwise.benchmarks.{given.name}:RESULT"
    report = run_cells(target, given.rows, given.settings, given.seeds, given.jobs)
    result = import_result(target)
    cells = load_cells(result)
    if cells:
        record = build_result(
            cells, name=result.name, command=result.command, protocol=result.protocol
        )
        print(f"{len(cells)} cells in {write_result(record)}")
    if report.failed:
        raise RuntimeError(f"{len(report.failed)} cells failed; their logs are in runs/cells")


def _show(given: argparse.Namespace) -> None:
    path = Path("results") / f"{given.name}.json"
    if not path.exists():
        known = sorted(file.stem for file in path.parent.glob("*.json"))
        there = (
            f"one of {', '.join(known)}" if known else "that of a file in results/, which has none"
        )
        raise ValueError(f"name must be {there}; got {given.name!r}")
    result = load_result(path)
    metrics = dict.fromkeys(entry["metric"] for entry in result["table"])
    print(format_table(result, given.metric or list(metrics)))


def render_documents(root: Path) -> None:
    """Bring every table between result markers in README.md and docs/ up to date."""
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        text = path.read_text()
        rendered = render_tables(text, root / "results")
        if rendered != text:
            write_text(path, rendered)
            print(f"updated {path}")


def draw_figures(root: Path) -> None:
    """Draw those figures of :mod:`driftwise.benchmarks.figures` whose results are there."""
    from driftwise.benchmarks.figures import FIGURES

    for name, (result, draw) in FIGURES.items():
        record = root / "results" / f"{result}.json"
        if record.exists():
            path = root / "docs" / "images" / f"{name}.png"
            draw(load_result(record)).savefig(path, dpi=200)
            print(f"updated {path}")
