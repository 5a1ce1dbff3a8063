"""The one sandbox: Jinja templates and expressions over JSON, bounded in time, size and reach.

A template sees the items of its values and the functions of one table, nothing else. Where texts
stand in a workflow file, and which values a step sees, is left to the rest of the house.
"""

from flowrunner.language.templates.analysis import Purpose, analyse, names_in, shape_of
from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.functions import FUNCTIONS, Function
from flowrunner.language.templates.mentions import Mention
from flowrunner.language.templates.parsed import (
    Expression,
    Filled,
    Template,
    Value,
    parse_expression,
    parse_text,
    parse_value,
)
from flowrunner.language.templates.values import Empty, Record

__all__ = [
    "FUNCTIONS",
    "Empty",
    "Expression",
    "Filled",
    "Function",
    "Mention",
    "Purpose",
    "Record",
    "Template",
    "TemplateFault",
    "Value",
    "analyse",
    "names_in",
    "parse_expression",
    "parse_text",
    "parse_value",
    "shape_of",
]
