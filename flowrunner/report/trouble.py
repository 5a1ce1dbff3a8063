"""What went wrong, told once: the steps where it began, and a headline that repeats none of them.

Made from the report document, for the terminal and the page alike.
"""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.report.units import ancestors
from flowrunner.report.verdict import EXIT_MEANINGS, failed_sentence

NAMED = 5
"""How many steps that went wrong are told at the end of a run."""


def wrong_steps(report: dict[str, JSON]) -> list[JSON]:
    """The steps that failed or whose outcome is unknown; of nested ones those where it began."""
    wrong = [step for step in report["steps"] if step["status"] in ("failed", "unknown")]
    around = {above for step in wrong for above in ancestors(step["unit"])}
    return [step for step in wrong if step["unit"] not in around]


def short_sentence(report: dict[str, JSON]) -> str:
    """Why the run ended; where a step below says the same, only how many steps are like it."""
    verdict = report["verdict"]
    said = [step["message"] for step in wrong_steps(report)[:NAMED]]
    if verdict["sentence"] not in said:
        return str(verdict["sentence"])
    if verdict["tally"]["failed"]:
        return failed_sentence(verdict["tally"])
    return str(EXIT_MEANINGS.get(verdict["exit_status"], verdict["status"]))
