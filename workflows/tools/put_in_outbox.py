"""Puts a letter into an outbox: JSON with `to`, `subject` and `body` on stdin, the outbox's file as
the only argument. Prints what it did as JSON.

A mail program would read the outbox; put your own way to send in place of this file.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Append the letter, one JSON object a line."""
    sys.stdin.reconfigure(encoding="utf-8")
    letter = json.load(sys.stdin)
    outbox = Path(sys.argv[1])
    outbox.parent.mkdir(parents=True, exist_ok=True)
    with outbox.open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(letter, ensure_ascii=False) + "\n")
    letters = len(outbox.read_text(encoding="utf-8").splitlines())
    json.dump({"outbox": outbox.as_posix(), "letters": letters}, sys.stdout)


if __name__ == "__main__":
    main()
