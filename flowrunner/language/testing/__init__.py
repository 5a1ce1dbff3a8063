"""Files of tests: cases of one workflow, with every mistake at its place.

Running the cases and judging what came of them is left to `commands`.

    parts      what a file of tests consists of
    patterns   regular expressions that end in time
    reading    from a file to its cases
"""

from flowrunner.language.testing.parts import Case, Check, Expected, FileOfTests, Reply
from flowrunner.language.testing.reading import ENDINGS, read_tests

__all__ = ["ENDINGS", "Case", "Check", "Expected", "FileOfTests", "Reply", "read_tests"]
