"""Functions of Python as tools: `tools/shop.py:refund` beside the workflow, `shop.orders:refund`
installed. Their source is read, nothing of it is imported.

What a function takes is left to `language.tools.signatures`.
"""

from __future__ import annotations

import importlib.machinery
import sys
from dataclasses import replace
from pathlib import Path

from flowrunner.diagnostics import Finding
from flowrunner.language.beside import MOST_BYTES, FileText, UnusableFile
from flowrunner.language.forms import has_template
from flowrunner.language.shapes import ANY, Shape, alternatives
from flowrunner.language.tools import PythonTool
from flowrunner.language.tools.signatures import Signature, read_signature
from flowrunner.language.workflow.reader import mapping, texts
from flowrunner.language.workflow.tool_kinds import Made, Written, read_arguments

_KEY = "python"


def read_function(written: Written) -> Made | None:
    """The tool under `python:`."""
    named = written.fields.get(_KEY)
    place, colon, function = str(named).rpartition(":")
    if not colon or not place or not function or has_template(str(named)):
        return None
    try:
        file = _source(written, place)
    except UnusableFile as fault:
        written.reader.fault(fault.code, fault.message, (*written.route, _KEY), fault.help)
        return None
    declared = read_arguments(written)
    names = [name for name, _ in declared.fields]
    signature, faults = read_signature(file.text, function, file.shown, names)
    route = (*written.route, _KEY)
    for each in faults:
        # The place is one of the source, not of this file.
        written.reader.texts[route] = file
        written.reader.findings.append(
            Finding(
                "signature", each.message, route, each.help, start=each.start, length=each.length
            )
        )
    if signature is None:
        return None
    is_file = place.endswith(".py")
    kind = PythonTool(
        file=place if is_file else None,
        module=None if is_file else place,
        function=function,
        is_async=signature.is_async,
        env=texts(written.fields.get("env")),
        defaulted=signature.defaulted,
    )
    return Made(kind, _joined(written, signature, declared), signature.describe)


def _source(written: Written, place: str) -> FileText:
    """The source that is named. Raises UnusableFile."""
    if place.endswith(".py"):
        return written.reader.beside.read(place)
    return _module(place)


def _module(name: str) -> FileText:
    """The source of an installed module.

    Packages around it are searched, not imported: one that makes up its own path is not found.
    """
    parts = name.split(".")
    fix = "write the file itself, as in `tools/shop.py:refund`"
    if not all(part.isidentifier() for part in parts):
        message = f"`{name}` names neither a file that ends in `.py` nor a module"
        raise UnusableFile("missing-file", message, fix)
    if parts[0] in sys.stdlib_module_names:
        message = f"`{parts[0]}` belongs to Python itself, whose functions are no tools"
        raise UnusableFile("tool", message, "write a function of your own around it")
    places: list[str] | None = [path for path in sys.path if Path(path).is_absolute()]
    found = None
    for position in range(len(parts)):
        whole = ".".join(parts[: position + 1])
        found = importlib.machinery.PathFinder.find_spec(whole, places)
        places = None if found is None else found.submodule_search_locations
        if found is None or (places is None and position + 1 < len(parts)):
            message = f"there is no module `{name}` beside flowrunner"
            raise UnusableFile("missing-file", message, fix)
        places = None if places is None else list(places)
    origin = None if found is None else found.origin
    if origin is None or not origin.endswith(".py"):
        raise UnusableFile("missing-file", f"the module `{name}` has no source to read", fix)
    return FileText(name, _text(Path(origin), name))


def _text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UnusableFile("missing-file", f"the source of `{name}` is larger than 16 MiB")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        message = f"the source of `{name}` cannot be read"
        raise UnusableFile("missing-file", message) from None


def _joined(written: Written, signature: Signature, declared: Shape) -> Shape:
    """What the function takes, with the shapes that the file declares in place of its own."""
    own = dict(signature.takes.fields)
    for name, shape in declared.fields:
        if name not in own:
            takes = f"it takes {alternatives(own, 'and')}" if own else "it takes none"
            function = mapping(written.fields).get(_KEY)
            written.fault(f"`{function}` has no parameter `{name}`", ("arguments", name), takes)
        elif shape is not ANY:
            is_free = shape.optional or name in signature.defaulted
            describe = shape.describe or own[name].describe
            own[name] = replace(shape, describe=describe, optional=is_free)
    return replace(signature.takes, fields=tuple(own.items()))
