"""The files a finished run leaves in its folder: report.json, report.html, result.json.

Each is replaced whole or left as it was; what stands in them is decided elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from flowrunner.events import JSON
from flowrunner.platform import write_atomically
from flowrunner.report.bounds import compact
from flowrunner.report.html import render_html

# Beyond what JSON escapes anyway: C1 controls, separators, and overrides of the direction.
_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def write_reports(folder: Path, report: dict[str, JSON], result: JSON = None) -> list[Path]:
    """Write the reports of a run into its folder and say which files those are.

    `result` is the run's whole result, which `report` may hold cut; without one result.json is not
    written. Raises OSError with the `filename` in question; files that stood there stay as they
    were.
    """
    contents = {"report.json": report_json(report), "report.html": render_html(report)}
    if report["result"] is not None:
        contents["result.json"] = result_json(_whole(report, result))
    written = []
    for name, text in contents.items():
        _write(folder / name, text)
        written.append(folder / name)
    return written


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
    except OSError as fault:
        # Named after the file that was wanted, whichever it stood in for on the way.
        raise OSError(fault.errno, fault.strerror or str(fault), str(path)) from fault


def report_json(report: dict[str, JSON]) -> str:
    """The report document as text: a line for each part, and one for each entry of a list."""
    return "".join(_lines(report))


def result_json(result: JSON) -> str:
    """A result as people read JSON: indented, letters as they are.

    What a terminal would obey or not show is written as an escape, which means the same in JSON.
    """
    try:
        text = json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False)
    except ValueError:
        text = compact(result)
    return _OBEYED.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n"


def _whole(report: dict[str, JSON], result: JSON) -> JSON:
    return report["result"].get("value", result)


def _lines(report: dict[str, JSON]) -> Iterator[str]:
    # One entry a line: quick to write, and a difference between two reports stays readable.
    opening = "{\n"
    for key, value in report.items():
        yield f"{opening}{json.dumps(key)}: "
        opening = ",\n"
        if isinstance(value, list) and value:
            yield "[\n" + ",\n".join(compact(entry) for entry in value) + "\n]"
        else:
            yield compact(value)
    yield "\n}\n"
