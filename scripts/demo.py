"""``driftwise demo``: train a small agent, evaluate the shipped one, draw both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from driftwise.scripts.command_line import parse


@dataclass(frozen=True)
class Arguments:
    """Train a sparse fast-weight agent on a small shifting bandit, then evaluate a shipped one.

    First, in about two minutes, an agent learns two arms whose chances are redrawn now and then,
    and is compared with the classic policies on held-out worlds. Then the agent that comes with
    the package plays the standard bandit of five arms against the same policies.
    """

    runs: Path = Path("runs")
    """Folder of all runs."""
    seed: int = 0
    """Seed of the training."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given = parse(Arguments, arguments, "driftwise demo")

    import dataclasses

    from driftwise.agents import RECIPES, evaluation, load_pretrained, train_agent
    from driftwise.agents.report import finish_run

    config = dataclasses.replace(RECIPES["two-arms"](), seed=given.seed)
    print("Two arms; at every step, both are redrawn with probability 0.02. Training:", flush=True)
    trained = train_agent(config, runs=given.runs, name="demo")
    with trained.run as run:
        print(f"\n{finish_run(trained, config)}\n")

        shipped = load_pretrained("standard-bandit-sparse")
        env = "driftwise/ShiftingBandit-v0"
        records = evaluation.play_all({"sparse (shipped)": shipped}, env)
        title = "The standard bandit: five arms, 1,000 held-out worlds"
        print(evaluation.format_scores(evaluation.score(records), title))
        run.save_figure("standard_bandit", evaluation.plot_records(records, title))
    print(
        f"\nIn {run.path}: the agent (agent/), report.json, metrics.jsonl, figures/*.png\n"
        f"Learning curves: tensorboard --logdir {given.runs}"
    )
