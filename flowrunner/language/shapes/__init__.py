"""What values look like: the one notation for inputs, outputs and tool arguments.

Reads shapes, compiles them to the API's strict JSON Schema, checks and reads values by them. Where
a shape stands in a file and what a template does with it is left to the rest of the room.
"""

from flowrunner.language.shapes.answers import check_by_schema, shape_of_schema
from flowrunner.language.shapes.authored import check_strict_schema
from flowrunner.language.shapes.notation import read_shape
from flowrunner.language.shapes.shape import ANY, MISSING, Kind, Missing, Shape
from flowrunner.language.shapes.strict import (
    WRAPPER,
    from_wire,
    is_strict,
    to_json_schema,
    wire_schema,
)
from flowrunner.language.shapes.values import UnreadableValue, check_value, read_plain
from flowrunner.language.shapes.words import alternatives, found, quoted

__all__ = [
    "ANY",
    "MISSING",
    "WRAPPER",
    "Kind",
    "Missing",
    "Shape",
    "UnreadableValue",
    "alternatives",
    "check_by_schema",
    "check_strict_schema",
    "check_value",
    "found",
    "from_wire",
    "is_strict",
    "quoted",
    "read_plain",
    "read_shape",
    "shape_of_schema",
    "to_json_schema",
    "wire_schema",
]
