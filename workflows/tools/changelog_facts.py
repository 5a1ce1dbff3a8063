"""Counts what a change log holds: the text on stdin, one JSON object on stdout.

A heading `## Version 8.4.2` begins a release, a line that begins with `-` or `*` is a change.
"""

import json
import re
import sys

RELEASE = re.compile(r"^#+ +(?:Version +)?v?(\d+(?:\.\d+)+)", re.IGNORECASE)
CHANGE = re.compile(r"^ {0,3}[-*] ")


def facts(text: str) -> dict[str, object]:
    """How many releases, changes and words, and the newest and the busiest release."""
    changes: dict[str, int] = {}
    release = None
    for line in text.splitlines():
        if found := RELEASE.match(line):
            release = found[1]
            changes.setdefault(release, 0)
        elif release is not None and CHANGE.match(line):
            changes[release] += 1
    if not changes:
        sys.exit("no heading of this text looks like a release, such as `## Version 1.2.0`")
    busiest = max(changes, key=lambda name: changes[name])
    return {
        "releases": len(changes),
        "changes": sum(changes.values()),
        "words": len(text.split()),
        "newest": next(iter(changes)),
        "busiest": {"version": busiest, "changes": changes[busiest]},
    }


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8")
    json.dump(facts(sys.stdin.read()), sys.stdout)
