"""Dataclasses as plain data: JSON by the names of their fields, and back again with the type of every value checked.

What is read this way can run no code, as a pickle can, and is of the shape that its dataclass says or not read at all.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pipeline.storage import files

T = TypeVar("T")
Named = tuple[tuple[type, Callable[[str], Any]], ...]  # types that are written as their `name`, and who reads it
_Reader = Callable[[Any], Any]
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}


def dump(value: Any, named: Named = ()) -> Any:
    """A value as dictionaries, lists, texts, numbers, booleans and None."""
    kind: Any = type(value)
    if kind in _WORDS:
        return value
    if named and any(isinstance(value, special) for special, _ in named):
        return value.name
    if names := _field_names(kind):
        return {name: held if type(held := getattr(value, name)) in _WORDS else dump(held, named) for name in names}
    if isinstance(value, tuple | list):
        return [dump(each, named) for each in value]
    if isinstance(value, Mapping):
        return {key: dump(each, named) for key, each in value.items()}
    return value


def load(kind: type[T], value: Any, named: Named = ()) -> T:
    """The inverse of `dump` for a value of a type. Raises ValueError that says where it is of another one."""
    whole: Any = kind
    found: T = _reader(whole, named)(value)
    return found


def to_json(value: Any, named: Named = ()) -> bytes:
    """`dump`, as the content of a file. Names that are no Unicode survive it."""
    return json.dumps(dump(value, named)).encode()


def from_json(kind: type[T], content: bytes | str, named: Named = ()) -> T:
    """The inverse of `to_json`. Raises ValueError where it is something else."""
    return load(kind, parse(content), named)


def parse(content: bytes | str) -> Any:
    """JSON of any depth and content -> its value. Raises ValueError, and nothing else."""
    if isinstance(content, bytes):
        content = content.decode("utf-8", "surrogatepass").removeprefix("\ufeff")
    try:
        return _JSON.decode(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write_lines(path: str, values: Iterable[Any]) -> None:
    """Writes a file of a line for each value. Raises as `files.write`."""
    files.write(path, (to_json(value) + b"\n" for value in values))


def read_lines(path: str, kind: type[T]) -> Iterator[T]:
    """The inverse of `write_lines`. Raises OSError; ValueError at the first line that is something else."""
    with files.opened(path) as stream:
        for line in stream:
            yield from_json(kind, line)


def read_some(paths: Iterable[str], kind: type[T], numbers: Collection[int]) -> Iterator[tuple[int, T]]:
    """(number, value) of some lines of files that follow each other; others are not parsed. Raises as `read_lines`."""
    number = 0
    for path in paths if numbers else ():
        with files.opened(path) as stream:
            for line in stream:
                if number in numbers:
                    yield number, from_json(kind, line)
                number += 1


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


_JSON = json.JSONDecoder(parse_constant=_no_number)


@functools.cache
def _field_names(kind: Any) -> tuple[str, ...]:
    """Of a dataclass; none of any other type."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


@functools.cache
def _reader(kind: Any, named: Named) -> _Reader:
    """What turns plain data into a value of a type."""
    for special, read in named:
        if kind is special:
            return lambda value: read(_reader(str, ())(value))
    if kind is Any:
        return lambda value: value
    if is_dataclass(kind):
        return _dataclass_reader(kind, named)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return functools.partial(_choice, arguments)
    if origin in (Union, UnionType):
        return functools.partial(_either, [_reader(each, named) for each in arguments])
    if origin is tuple and arguments[1:] == (...,):
        return functools.partial(_many, _reader(arguments[0], named))
    if origin is list:
        item = _reader(arguments[0], named)
        return lambda value: list(_many(item, value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return functools.partial(_mapping, _reader(arguments[1], named))
    if kind in _WORDS:
        return functools.partial(_atom, kind)
    raise TypeError(f"Expected a type that plain data can hold. Received {kind}.")


def _dataclass_reader(kind: Any, named: Named) -> _Reader:
    hints = get_type_hints(kind)
    names = tuple(field.name for field in fields(kind))
    readers = tuple((name, hints[name], _reader(hints[name], named)) for name in names)
    known = frozenset(names)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _other("an object", value)
        if value.keys() != known:
            wrong = sorted(value.keys() ^ known)
            raise ValueError(f"{wrong[0]!r} is {'missing' if wrong[0] in known else 'unknown'}")
        found = dict(value)
        for name, hint, reader in readers:
            if type(found[name]) is not hint:  # most are what they should be: a call for each would be half the time
                try:
                    found[name] = reader(found[name])
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error
        return kind(**found)

    return read


def _atom(kind: type, value: Any) -> Any:
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return math.inf
    raise _other(_WORDS[kind], value)


def _choice(choices: tuple[Any, ...], value: Any) -> Any:
    if value not in choices:
        raise _other(" or ".join(map(repr, choices)), value)
    return value


def _either(readers: list[_Reader], value: Any) -> Any:
    for reader in readers[:-1]:
        try:
            return reader(value)
        except ValueError:
            continue
    return readers[-1](value)


def _many(reader: _Reader, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _other("a list", value)
    return tuple(map(reader, value))


def _mapping(reader: _Reader, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _other("an object", value)
    return {name: reader(each) for name, each in value.items()}


def _other(expected: str, value: Any) -> ValueError:
    shown = repr(value)
    return ValueError(f"expected {expected}, found {shown if len(shown) <= 60 else shown[:60] + '...'}")
