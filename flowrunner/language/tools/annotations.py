"""Annotations of Python as shapes: what JSON can carry, and for the rest what to write instead.

Read from the syntax of the module alone. Which function is meant is left to `signatures`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from flowrunner.language.shapes import Kind, Shape, alternatives

_PLAIN: Mapping[str, Kind] = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "yes_no",
    "Any": "json",
    "object": "json",
}
_LISTS = ("list", "List", "Sequence", "Iterable", "Collection")
_MAPPINGS = ("dict", "Dict", "Mapping", "MutableMapping")
_WRAPPERS = ("Optional", "Annotated", "Required", "ReadOnly", "Final")
_INSTEAD: Mapping[str, str] = {
    "tuple": "write `list[…]`: JSON has lists only",
    "Tuple": "write `list[…]`: JSON has lists only",
    "set": "write `list[…]`: JSON has lists only",
    "Set": "write `list[…]`: JSON has lists only",
    "bytes": "write `str`: JSON holds no bytes",
    "date": "write `str`: a date arrives as a text such as `2026-01-31`",
    "datetime": "write `str`: a time arrives as a text",
    "Decimal": "write `float`, or `str`",
    "Path": "write `str`: a path arrives as a text",
}
_DEEPEST = 12


class UnreadableType(Exception):
    """An annotation that no argument can have: the part of it, a sentence and a fix."""

    def __init__(self, node: ast.expr, message: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.node = node
        self.message = message
        self.help = help


@dataclass(frozen=True, slots=True)
class Types:
    """The types that a module defines at its top: classes, and names for other types."""

    classes: Mapping[str, ast.ClassDef] = field(default_factory=dict)
    aliases: Mapping[str, ast.expr] = field(default_factory=dict)

    def shape_of(self, node: ast.expr, level: int = 0) -> Shape:
        """The shape of an annotation. Raises UnreadableType."""
        if level > _DEEPEST:
            message = "this type is nested too deep, or contains itself"
            raise UnreadableType(node, message, "write `dict`, or a flatter type")
        if isinstance(node, ast.Constant):
            return self._of_constant(node, level)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._of_union(node, [node.left, node.right], level)
        if isinstance(node, ast.Subscript):
            return self._of_subscript(node, level)
        return self._of_name(node, level)

    def _of_constant(self, node: ast.Constant, level: int) -> Shape:
        if not isinstance(node.value, str):
            raise _no_type(node)
        try:
            inner = ast.parse(node.value.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            raise _no_type(node) from None
        for part in ast.walk(inner):
            ast.copy_location(part, node)
        return self.shape_of(inner, level + 1)

    def _of_name(self, node: ast.expr, level: int) -> Shape:
        name = _last_name(node)
        if isinstance(node, ast.Name) and name in self.aliases:
            return self.shape_of(self.aliases[name], level + 1)
        if isinstance(node, ast.Name) and name in self.classes:
            return self._of_class(node, self.classes[name], level)
        if name in _PLAIN:
            return Shape(_PLAIN[name])
        if name in _LISTS:
            return Shape("list", item=Shape("json"))
        if name in _MAPPINGS:
            return Shape("object", free=True)
        raise _no_type(node)

    def _of_class(self, node: ast.expr, defined: ast.ClassDef, level: int) -> Shape:
        if "TypedDict" not in {_last_name(base) for base in defined.bases}:
            raise UnreadableType(
                node,
                f"`{defined.name}` is a class, and arguments arrive as plain JSON values",
                f"write `class {defined.name}(TypedDict): …` with its fields, or single parameters",
            )
        total = all(
            not (each.arg == "total" and _is_false(each.value)) for each in defined.keywords
        )
        fields = [
            (each.target.id, self._of_field(each.annotation, total, level))
            for each in defined.body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        ]
        if not fields:
            raise UnreadableType(node, f"`{defined.name}` has no fields", "write its fields")
        return Shape("object", fields=tuple(fields))

    def _of_field(self, node: ast.expr, is_required: bool, level: int) -> Shape:
        if not is_required or _last_name(_origin(node)) == "NotRequired":
            raise UnreadableType(
                node,
                "a field that may be missing cannot be asked for: strict arguments hold them all",
                "write `… | None` for what may be empty",
            )
        return self.shape_of(node, level + 1)

    def _of_subscript(self, node: ast.Subscript, level: int) -> Shape:
        name = _last_name(node.value)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Literal":
            return _choice(node, parts)
        if name == "Union":
            return self._of_union(node, parts, level)
        if name in _MAPPINGS:
            return Shape("object", free=True)
        if name not in (*_LISTS, *_WRAPPERS):
            raise _no_type(node)
        inner = self.shape_of(parts[0], level + 1)
        if name in _LISTS:
            return Shape("list", item=inner)
        said = [each.value for each in parts[1:] if isinstance(each, ast.Constant)]
        texts = [text for text in said if isinstance(text, str)]
        describe = texts[0] if texts else inner.describe
        return replace(inner, describe=describe, optional=inner.optional or name == "Optional")

    def _of_union(self, node: ast.expr, parts: Iterable[ast.expr], level: int) -> Shape:
        members = [member for part in parts for member in _members(part)]
        rest = [member for member in members if not _is_none(member)]
        if len(rest) != 1:
            raise UnreadableType(
                node,
                "an argument is of one type, found a choice between several",
                "write one type, or `Any`",
            )
        return replace(self.shape_of(rest[0], level + 1), optional=len(rest) < len(members))


def types_of(module: ast.Module) -> Types:
    """The types that a module defines at its top."""
    classes = {each.name: each for each in module.body if isinstance(each, ast.ClassDef)}
    aliases: dict[str, ast.expr] = {}
    for each in module.body:
        if isinstance(each, ast.Assign) and len(each.targets) == 1:
            target = each.targets[0]
            if isinstance(target, ast.Name):
                aliases[target.id] = each.value
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value:
            aliases[each.target.id] = each.value
    return Types(classes, aliases)


def _members(node: ast.expr) -> list[ast.expr]:
    """The members of `A | B | None`, from the left."""
    members = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        members.append(node.right)
        node = node.left
    return [node, *reversed(members)]


def _choice(node: ast.expr, parts: Iterable[ast.expr]) -> Shape:
    values = [each.value if isinstance(each, ast.Constant) else ... for each in parts]
    texts = tuple(value for value in values if isinstance(value, str))
    if not texts or len(texts) + values.count(None) != len(values):
        raise UnreadableType(
            node,
            "a choice is made of texts, as in `Literal['a', 'b']`",
            "write texts, or a plain `int`",
        )
    return Shape("choice", choices=tuple(dict.fromkeys(texts)), optional=None in values)


def _no_type(node: ast.expr) -> UnreadableType:
    said = ast.unparse(node)
    shown = said if len(said) <= 40 else f"{said[:39]}…"
    known = alternatives(("str", "int", "float", "bool", "list[…]", "dict", "Literal['a', 'b']"))
    fix = _INSTEAD.get(_last_name(_origin(node)))
    return UnreadableType(
        node,
        f"`{shown}` is not a type that an argument can have",
        fix or f"write {known}, a TypedDict of this file, or one of them with `| None`",
    )


def _origin(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Subscript) else node


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
