"""The inputs of a run: read from the command line, a file or a person, checked by their shapes.

All that is wrong is said at once, before anything is sent. What an input means is left to the
workflow that declares it, values that another workflow gives to `arguments`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from flowrunner import json_text
from flowrunner.diagnostics import did_you_mean
from flowrunner.errors import UsageError
from flowrunner.events import JSON
from flowrunner.language.forms import plain, text_of
from flowrunner.language.shapes import (
    MISSING,
    Shape,
    UnreadableValue,
    alternatives,
    check_value,
    read_plain,
)
from flowrunner.language.workflow.parts import Input
from flowrunner.project.files import UnreadableFile, read_stream, read_stream_bytes, read_text
from flowrunner.project.input_file import STDIN, UnusableInputs, read_input_file
from flowrunner.project.loading import Loader, UnusableFiles, is_loaded, table_of, written_rows
from flowrunner.project.sources import Source, SourceKind
from flowrunner.project.tables import MAX_BYTES
from flowrunner.secrets import MIN_LENGTH

# What Python makes of bytes of a command line that are no UTF-8.
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_WAYS = {"file": ("FILE",), "files": ("'FOLDER/*'",), "table": ("FILE.csv",)}


@dataclass(frozen=True, slots=True)
class Given:
    """Where the values of inputs come from.

    `pairs` are `name=value` and `name=@file` of the command line (`@-` is standard input, `@@` an
    `@` that is meant); `inputs_file` a YAML or JSON file, `-` for standard input; `values` what is
    known already, as the arguments of a call. Paths in `pairs` and `values` start at `folder`,
    those in a file at that file, those of defaults at `workflow_folder`. `ask` asks a person for a
    missing input and is None where nobody is there.
    """

    pairs: Sequence[str] = ()
    inputs_file: str | None = None
    values: Mapping[str, JSON] | None = None
    folder: Path = field(default_factory=Path.cwd)
    workflow_folder: Path = field(default_factory=Path.cwd)
    stdin: BinaryIO | None = None
    ask: Callable[[Input], str] | None = None


@dataclass(frozen=True, slots=True)
class Sourced:
    """The values of inputs, and the sources by name of those that are read again by a resume."""

    values: dict[str, JSON]
    sources: dict[str, Source]


def read_inputs(declared: Sequence[Input], given: Given) -> dict[str, JSON]:
    """The value of every declared input, in their order; null for an optional one not given.

    The command line counts before the file. Raises UsageError with all faults, one sentence a line.
    A `file` becomes `{path, name, stem, ext, size, sha256, text}`, its path relative to the
    workflow's folder where it stands below it; `files` become a list of those, a `table` a list of
    mappings from column to value.
    """
    return read_sourced(declared, given).values


def read_sourced(declared: Sequence[Input], given: Given) -> Sourced:
    """As `read_inputs`, with where tables and globs of files were read from."""
    reading = _Reading({known.name: known for known in declared}, given)
    values = reading.values()
    if reading.faults:
        raise UsageError("\n".join(reading.faults))
    return Sourced(values, reading.sources)


def unknown_input(name: str, declared: Mapping[str, Input]) -> str:
    """The sentence about an input that the workflow does not have."""
    near = did_you_mean(name, declared)
    if near:
        return f"there is no input `{name}`: did you mean `{near}`?"
    if not declared:
        return f"there is no input `{name}`: this workflow takes none"
    return f"there is no input `{name}`: there is {alternatives(declared, 'and')}"


def secret_fault(name: str, value: JSON) -> str | None:
    """Why a value cannot be kept secret, or None: what is too short cannot be masked."""
    if not isinstance(value, str) or not 0 < len(value) < MIN_LENGTH:
        return None
    least = f"give it {MIN_LENGTH} characters at least"
    return f"`{name}` is secret, but too short to be masked: {least}"


class _Fault(ValueError):
    """One or more sentences about one input."""


class _Reading:
    """One reading of all inputs; collects the faults of every source."""

    def __init__(self, declared: Mapping[str, Input], given: Given) -> None:
        self.faults: list[str] = []
        self.sources: dict[str, Source] = {}
        self._declared = declared
        self._given = given
        self._loader = Loader(given.workflow_folder)
        self._stdin_is_free = given.inputs_file != STDIN
        self._file_is_usable = True
        self._texts = self._pairs()
        self._filed = self._input_file()

    def values(self) -> dict[str, JSON]:
        found: dict[str, JSON] = {}
        missing = []
        for name, known in self._declared.items():
            if name in self._texts or name in self._filed or not known.required:
                self._keep(found, known, self._value)
            elif self._file_is_usable:
                missing.append(known)
        for known in missing:
            self._keep(found, known, self._asked)
        return {name: found[name] for name in self._declared if name in found}

    def _keep(self, found: dict[str, JSON], known: Input, read: Callable[[Input], JSON]) -> None:
        try:
            value = read(known)
            if known.secret and (said := secret_fault(known.name, value)):
                raise _Fault(said)
            found[known.name] = value
        except UnusableFiles as fault:
            named = f"the input `{known.name}`"
            self.faults += [f"{named}: {sentence}" for sentence in fault.sentences]
        except _Fault as fault:
            said = str(fault)
            if known.secret and f"`{known.name}` must" in said:
                said = f"`{known.name}` has not the form it must have (it is secret, so not shown)"
            self.faults.append(said)

    def _value(self, known: Input) -> JSON:
        if known.name in self._texts:
            return self._read_texts(known, self._texts[known.name])
        if known.name in self._filed:
            inputs_file = self._given.inputs_file or STDIN
            is_beside = inputs_file != STDIN and known.name not in (self._given.values or {})
            beside = Path(inputs_file).parent if is_beside else Path()
            return self._take(known, self._filed[known.name], self._given.folder / beside)
        if known.default is MISSING or known.default is None:
            return None
        return self._take(known, known.default, self._given.workflow_folder)

    def _asked(self, known: Input) -> JSON:
        described = f" ({known.describe})" if known.describe else ""
        ways = _WAYS.get(known.shape.kind, ("…", "@FILE"))
        how = " or ".join(f"`-i {known.name}={way}`" for way in ways)
        missing = _Fault(f"the input `{known.name}`{described} is missing: give it with {how}")
        # A person is not asked for one thing when another is wrong already.
        if self._given.ask is None or self.faults:
            raise missing
        try:
            text = self._given.ask(known)
        except EOFError:
            raise missing from None
        if not text.strip():
            raise missing
        return self._read_texts(known, [text])

    def _pairs(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for pair in self._given.pairs:
            name, equals, text = pair.partition("=")
            name = name.strip()
            if not equals:
                # The whole may be a secret that lacks its name.
                shown = f"`-i {name}`" if name in self._declared else "one of the values of `-i`"
                self.faults.append(f"{shown} has no `=`: write `-i name=value`")
            elif name not in self._declared:
                self.faults.append(unknown_input(name, self._declared))
            else:
                found.setdefault(name, []).append(text)
        return found

    def _input_file(self) -> dict[str, JSON]:
        filed = dict(self._given.values or {})
        if self._given.inputs_file is not None:
            try:
                filed |= read_input_file(
                    self._given.inputs_file, self._given.folder, self._given.stdin
                )
            except UnusableInputs as fault:
                self.faults.extend(fault.sentences)
                self._file_is_usable = False
                return {}
        self.faults += [
            unknown_input(name, self._declared) for name in filed if name not in self._declared
        ]
        return filed

    def _read_texts(self, known: Input, texts: Sequence[str]) -> JSON:
        shape = known.shape
        if any(_HALF_CHARACTER.search(text) for text in texts):
            raise _Fault(
                f"the input `{known.name}` holds bytes that are no text in UTF-8: "
                f"save it as UTF-8 in a file, and give it with `-i {known.name}=@FILE`"
            )
        are_paths = shape.kind in _WAYS or (shape.item is not None and shape.item.kind in _WAYS)
        if are_paths and not all(text.removeprefix("@").strip() for text in texts):
            raise _without_path(known)
        if shape.kind == "files":
            patterns = [text.removeprefix("@") for text in texts]
            return self._files(known, patterns, self._given.folder)
        if shape.kind == "list" and shape.item is not None:
            return self._read_list(known, shape.item, texts)
        if len(texts) > 1:
            raise _Fault(f"the input `{known.name}` is given {len(texts)} times, but is no list")
        if shape.kind == "table":
            return self._read_table(known, texts[0])
        return self._read_text(known.name, shape, texts[0])

    def _read_list(self, known: Input, item: Shape, texts: Sequence[str]) -> JSON:
        if item.kind != "file":
            texts = [self._expanded(known.name, text) for text in texts]
        if len(texts) == 1 and _is_json_list(texts[0]):
            return self._take(known, json_text.parse(texts[0]), self._given.folder)
        if item.kind == "file":
            return [self._read_text(known.name, item, text) for text in texts]
        values = [_read_plain(known.name, item, text) for text in texts]
        return _checked(known, known.shape, values)

    def _read_table(self, known: Input, text: str) -> JSON:
        if _is_json_list(text):
            return written_rows(json_text.parse(text), known.shape)
        path = text.removeprefix("@")
        if path != STDIN:
            return self._table(known, path, self._given.folder)
        try:
            self._take_stdin()
            content = read_stream_bytes(self._given.stdin, MAX_BYTES)
        except UnreadableFile as fault:
            raise _Fault(f"the input `{known.name}`: standard input {fault}") from None
        return table_of(content, "standard input", known.shape)

    def _read_text(self, name: str, shape: Shape, text: str) -> JSON:
        if shape.kind == "file":
            return self._loader.file(text.removeprefix("@"), self._given.folder)
        return _read_plain(name, shape, self._expanded(name, text))

    def _expanded(self, name: str, text: str) -> str:
        if text.startswith("@@"):
            return text[1:]
        return self._content(name, text[1:]) if text.startswith("@") else text

    def _content(self, name: str, path: str) -> str:
        try:
            if path == STDIN:
                return self._from_stdin()
            return read_text(self._given.folder / path)
        except UnreadableFile as fault:
            shown = "standard input" if path == STDIN else f"`{path}`"
            hint = f" (for a text that begins with `@` write `-i {name}=@@…`)"
            hint = hint if "does not exist" in str(fault) else ""
            raise _Fault(f"the input `{name}`: {shown} {fault}{hint}") from None

    def _from_stdin(self) -> str:
        self._take_stdin()
        return read_stream(self._given.stdin)

    def _take_stdin(self) -> None:
        if not self._stdin_is_free:
            raise UnreadableFile("is read for something else already")
        self._stdin_is_free = False

    def _take(self, known: Input, value: JSON, folder: Path) -> JSON:
        """A value that came as JSON or YAML. Paths in it start at `folder`."""
        shape = known.shape
        kinds = {shape.kind, shape.item.kind if shape.item else None}
        if value is not None and kinds & {"file", "files", "table"}:
            return self._load(known, _as_spelled(shape, value), folder)
        return _checked(known, shape, plain(_as_spelled(shape, value)))

    def _load(self, known: Input, value: JSON, folder: Path) -> JSON:
        """What the paths in a value lead to; what has been read already stays as it is."""
        shape = known.shape
        if is_loaded(shape, value):
            return value
        if isinstance(value, str) and not value.strip():
            raise _without_path(known)
        if shape.kind == "table" and isinstance(value, str):
            return self._table(known, value, folder)
        are_patterns = shape.kind == "files" and isinstance(value, list)
        _checked(known, Shape("list", item=Shape("files")) if are_patterns else shape, value)
        if shape.kind == "table":
            return written_rows(value, shape)
        if shape.kind == "files":
            return self._files(known, value if are_patterns else [value], folder)
        if shape.kind == "file":
            return self._loader.file(value, folder)
        return [self._loader.file(path, folder) for path in value]

    def _files(self, known: Input, patterns: Sequence[str], folder: Path) -> JSON:
        self._note("files", known, patterns, folder)
        return self._loader.files(patterns, folder, optional=known.shape.optional)

    def _table(self, known: Input, path: str, folder: Path) -> JSON:
        self._note("table", known, [path], folder)
        return self._loader.table(path, folder, known.shape)

    def _note(self, kind: SourceKind, known: Input, written: Sequence[str], folder: Path) -> None:
        top = self._given.workflow_folder
        self.sources[known.name] = Source.of(kind, written, folder, top)


def _without_path(known: Input) -> _Fault:
    way = _WAYS.get(known.shape.kind, ("FILE",))[0]
    return _Fault(f"the input `{known.name}` is empty: give a path, as in `-i {known.name}={way}`")


def _read_plain(name: str, shape: Shape, text: str) -> JSON:
    try:
        return read_plain(shape, text)
    except UnreadableValue as fault:
        raise _Fault(str(fault).replace("the value", f"`{name}`", 1)) from None


def _checked(known: Input, shape: Shape, value: JSON) -> JSON:
    faults = check_value(shape, value, known.name)
    if faults:
        raise _Fault("\n".join(faults))
    return value


def _is_json_list(text: str) -> bool:
    try:
        return text.lstrip().startswith("[") and isinstance(json_text.parse(text), list)
    except json_text.NotJson:
        return False


def _as_spelled(shape: Shape, value: JSON) -> JSON:
    """The value with numbers and truth values as they were spelled wherever text is asked for."""
    if shape.kind in ("text", "date", "choice", "file", "files"):
        return value if value is None else text_of(value) or value
    if shape.kind == "list" and shape.item is not None and isinstance(value, list):
        return [_as_spelled(shape.item, item) for item in value]
    if shape.kind == "object" and isinstance(value, Mapping):
        fields = dict(shape.fields)
        return {
            name: _as_spelled(fields[name], item) if name in fields else item
            for name, item in value.items()
        }
    return value
