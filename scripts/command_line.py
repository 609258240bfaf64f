"""Configuration dataclasses as command lines, through tyro."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

Config = TypeVar("Config")


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


_registry = ConstructorRegistry()


@_registry.primitive_rule
def _json_dictionaries(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    if info.type_origin is not dict:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=_dictionary,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [json.dumps(value)],
    )


def _dictionary(words: Sequence[str]) -> dict[str, Any]:
    value = json.loads(words[0])
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object such as '{{\"num_arms\": 2}}', got {words[0]}")
    return value
