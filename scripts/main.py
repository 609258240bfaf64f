"""The ``driftwise`` command: one subcommand for each script of this folder."""

import importlib
import os
import sys
from collections.abc import Sequence

COMMANDS = {
    "train-agent": "train a memory agent on a shifting environment",
    "evaluate-agent": "play agents and reference policies on the same held-out worlds",
    "train-fewshot": "train MAML or sparse-MAML on few-shot episodes",
    "run-continual": "run a learner on a stream of tasks, and see what it forgets",
    "train-online": "train an agent that adapts by masked steps of policy gradient",
    "run-omniglot": "run a classifier on a stream whose classes keep coming",
    "train-lm": "train a language model",
    "gpu-run": "train and adapt language models on one large GPU, for the record",
    "evaluate-lm": "read a text with a language model, with every way of adapting",
    "generate": "let a language model go on with a text",
    "watch": "film agents in a world that changes",
    "suite": "score an agent in the eight worlds of driftwise-8",
    "results": "fill and print the results of record",
    "demo": "train a small agent, evaluate the shipped one, draw both",
}


# ImportError: of a package that only some of a command's choices need.
ERRORS = (ValueError, TypeError, OSError, RuntimeError, FloatingPointError, ImportError)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the subcommand that the command line names; errors of the user's are one line."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return
    command, *rest = arguments
    if command == "--version":
        from driftwise import __version__

        print(f"driftwise {__version__}")
        return
    if command not in COMMANDS:
        raise SystemExit(f"driftwise: no command {command!r}; there are {', '.join(COMMANDS)}")
    # Imported only now: --help must not wait for torch.
    script = importlib.import_module(f"driftwise.scripts.{command.replace('-', '_')}")
    try:
        script.main(rest)
    except ERRORS as error:
        if os.environ.get("DRIFTWISE_DEBUG"):
            raise
        raise SystemExit(f"driftwise {command}: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"\ndriftwise {command}: interrupted") from None


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: driftwise <command> [options]",
            "",
            "commands:",
            *lines,
            "",
            "driftwise <command> --help explains a command's options.",
            "DRIFTWISE_DEBUG=1 shows where an error came from.",
        ]
    )


if __name__ == "__main__":
    main()
