"""What values look like: the one notation for inputs, outputs and tool arguments.

Reads shapes, compiles them to the API's strict JSON Schema, checks and reads values by them. Where
a shape stands in a file and what a template does with it is left to the rest of the room.
"""

from flowrunner.language.shapes.shape import ANY, MISSING, Kind, Missing, Shape

__all__ = ["ANY", "MISSING", "Kind", "Missing", "Shape"]
