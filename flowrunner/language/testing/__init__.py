"""Files of tests: cases of one workflow, with every mistake at its place.

Running the cases and judging what came of them is left to `commands`.

    addresses  what names of steps and tools mean
    parts      what a file of tests consists of
    patterns   regular expressions that end in time
    reading    from a file to its cases
"""

from flowrunner.language.testing.addresses import names_of, silent_tools
from flowrunner.language.testing.parts import Case, Check, Expected, FileOfTests, Reply
from flowrunner.language.testing.reading import ENDINGS, read_tests

__all__ = [
    "ENDINGS",
    "Case",
    "Check",
    "Expected",
    "FileOfTests",
    "Reply",
    "names_of",
    "read_tests",
    "silent_tools",
]
