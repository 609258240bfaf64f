"""Configuration dataclasses as command lines, through tyro."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

Config = TypeVar("Config")
Resume = Literal["auto", "yes", "no"]


def parse(kind: type[Config], arguments: Sequence[str], prog: str, **options: Any) -> Config:
    """Fill a dataclass from a command line; dictionaries are written as JSON.

    Args:
        kind: the dataclass; its docstrings become the help.
        arguments: the command line.
        prog: the command's name in its help.
        **options: more for ``tyro.cli``, such as ``default``.

    Raises:
        SystemExit: after ``--help``, or for arguments that do not fit.
    """
    with _registry:
        return tyro.cli(kind, args=list(arguments), prog=prog, **options)


def parse_with_recipe(
    kind: type[Config],
    arguments: Sequence[str],
    prog: str,
    recipes: Mapping[str, Callable[[], Any]],
    default: str,
) -> tuple[Config, str]:
    """Fill a dataclass whose field ``config`` has the defaults of the recipe ``--recipe NAME``.

    Args:
        kind: as for :func:`parse`.
        arguments: as for :func:`parse`.
        prog: as for :func:`parse`.
        recipes: functions that return a configuration, by name.
        default: the recipe's name where none is given.

    Returns:
        What was given, and the recipe's name.

    Raises:
        SystemExit: as :func:`parse`; also for a recipe that there is not.
    """
    names = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    names.add_argument("--recipe", choices=recipes, default=default)
    chosen, rest = names.parse_known_args(list(arguments))
    prog = f"{prog} [--recipe {{{','.join(recipes)}}}]"
    # Every such dataclass has defaults for its other fields.
    make: Callable[..., Config] = kind
    given = parse(kind, rest, prog, default=make(config=recipes[chosen.recipe]()))
    return given, chosen.recipe


def refuse(prog: str, message: str) -> NoReturn:
    """Leave with a usage error: the options of a command line do not fit together.

    Args:
        prog: the command's name.
        message: what is wrong, and what was expected.

    Raises:
        SystemExit: always; with status 2, as :func:`parse` for arguments that do not fit.
    """
    argparse.ArgumentParser(prog, usage=f"{prog} [--help] [options]").error(message)


def resume_mode(given: Resume) -> Literal["auto"] | bool:
    """What ``--resume`` means to a run's folder: True requires one, False refuses one."""
    return "auto" if given == "auto" else given == "yes"


_registry = ConstructorRegistry()


@_registry.primitive_rule
def _json_dictionaries(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    kinds = {get_origin(kind) or kind for kind in get_args(info.type)}
    optional = kinds == {dict, NoneType}
    if info.type_origin is not dict and not optional:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=_dictionary,
        is_instance=lambda value: isinstance(value, dict) or (optional and value is None),
        str_from_instance=lambda value: [json.dumps(value)],
    )


def _dictionary(words: Sequence[str]) -> dict[str, Any]:
    value = json.loads(words[0])
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object such as '{{\"num_arms\": 2}}', got {words[0]}")
    return value
