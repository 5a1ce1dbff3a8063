"""The files a finished run leaves in its folder: report.json, report.html, result.json.

Each is replaced whole or left as it was; what stands in them is decided elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from flowrunner.events import JSON
from flowrunner.platform import write_atomically
from flowrunner.report.bounds import compact
from flowrunner.report.html import render_html


def write_reports(folder: Path, report: dict[str, JSON], result: JSON = None) -> list[Path]:
    """Write the reports of a run into its folder and say which files those are.

    `result` is the run's whole result, which `report` may hold cut; without one result.json is not
    written. Raises OSError; files that stood there stay as they were.
    """
    contents = {"report.json": report_json(report), "report.html": render_html(report)}
    if report["result"] is not None:
        contents["result.json"] = result_json(_whole(report, result))
    written = []
    for name, text in contents.items():
        write_atomically(folder / name, text.encode("utf-8", "backslashreplace"))
        written.append(folder / name)
    return written


def report_json(report: dict[str, JSON]) -> str:
    """The report document as text: a line for each part, and one for each entry of a list."""
    return "".join(_lines(report))


def result_json(result: JSON) -> str:
    """A result as people read JSON: indented, letters as they are."""
    try:
        text = json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False)
    except ValueError:
        text = compact(result)
    return text + "\n"


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
