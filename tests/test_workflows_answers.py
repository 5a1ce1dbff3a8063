"""The gallery's workflows with answers of our choosing: each says what its comment promises."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowrunner.simulator import Simulator
from tests.cli_world import GALLERY, Project, posts

SAMPLE = GALLERY / "inputs" / "bank_questions_sample.csv"


def asked(body: dict[str, Any]) -> str:
    """The text of a request."""
    return str(body["input"])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def out(project: Project, name: str) -> Path:
    return project.folder / "workflows" / "out" / name


# Bank questions.


def test_the_sample_has_one_question_of_each_declared_intent() -> None:
    text = (GALLERY / "bank_questions.yaml").read_text(encoding="utf-8")
    declared = yaml.safe_load(text)["steps"][0]["steps"][0]["output"]["intent"]
    found = [row["category"] for row in rows(SAMPLE)]
    assert sorted(found) == sorted(declared)
    assert len(set(declared)) == 77


def test_the_share_of_right_answers_is_counted(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    true = {row["text"]: row["category"] for row in rows(SAMPLE)}
    wrong = set(list(true)[60:])

    def answer(body: dict[str, Any]) -> str:
        question = asked(body)
        intent = true[question]
        if question in wrong:
            intent = "age_limit" if intent != "age_limit" else "change_pin"
        return json.dumps({"intent": intent})

    project.with_gallery().at(simulate(replies=answer))
    done = project.run("run", "workflows/bank_questions.yaml")
    share = round(60 / 77, 4)
    assert done.result == {"questions": 77, "answered": 77, "right": 60, "share": share}
    sheet = rows(out(project, "bank_questions.csv"))
    assert [row["text"] for row in sheet] == list(true), "in the order of the table"
    assert [row["category"] for row in sheet] == list(true.values())
    assert {row["text"] for row in sheet if row["right"] == "false"} == wrong
    assert all((row["answer"] == row["category"]) == (row["right"] == "true") for row in sheet)


def test_any_table_will_do_and_a_row_that_fails_is_left_out(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    def answer(body: dict[str, Any]) -> str:
        return "no JSON" if "broken" in asked(body) else '{"intent": "change_pin"}'

    project.with_gallery().at(simulate(replies=answer))
    table = 'text\tcategory\nA "new" PIN, please\tchange_pin\nbroken\tchange_pin\nAge?\tage_limit\n'
    project.write("mine.tsv", table)
    done = project.run("run", "workflows/bank_questions.yaml", "-i", "questions=mine.tsv")
    assert done.status == 6, done.err
    assert done.result == {"questions": 3, "answered": 2, "right": 1, "share": 0.5}
    sheet = rows(out(project, "bank_questions.csv"))
    assert [row["text"] for row in sheet] == ['A "new" PIN, please', "Age?"]


# Invoices.

INVOICES = {
    "halvorsen": ("Halvorsen Kaffe AS", 321, "EUR", "2026-11-01"),
    "northmill": ('Northmill "Flour" Co.', 367, "GBP", "2026-10-23"),
    "ovenparts": ("OvenParts Direct, Inc.", 300, "USD", "2026-11-14"),
    "molkerei": ("Molkerei Abendroth eG", 568.4, "EUR", "2026-11-19"),
}


def _invoice(body: dict[str, Any]) -> str:
    (name,) = re.findall(r"This is the invoice \S+_(\w+)\.txt:", asked(body))
    supplier, total, currency, due = INVOICES[name]
    return json.dumps({"supplier": supplier, "total": total, "currency": currency, "due": due})


def test_invoices_are_listed_and_added_up(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(replies=_invoice)
    project.with_gallery().at(simulator)
    done = project.run("run", "workflows/invoices.yaml")
    assert done.status == 0, done.err
    result = done.result
    overview = result.pop("overview")
    assert result == {
        "invoices": 4,
        "to_pay": {"EUR": 889.4, "GBP": 367, "USD": 300},
        "next_due": "2026-10-23",
        "not_read": [],
    }
    assert re.findall(r"^\| (2026-\S+)", overview, re.MULTILINE) == sorted(
        due for *_, due in INVOICES.values()
    )
    sheet = rows(out(project, "invoices.csv"))
    found = [(row["supplier"], float(row["total"]), row["currency"], row["due"]) for row in sheet]
    assert found == list(INVOICES.values())
    assert "Zahlbar bis 19.11.2026" in "".join(asked(call.body) for call in posts(simulator))


def test_an_invoice_that_cannot_be_read_does_not_stop_the_others(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    def answer(body: dict[str, Any]) -> str:
        return "?" if "OVENPARTS" in asked(body).upper() else _invoice(body)

    project.with_gallery().at(simulate(replies=answer))
    done = project.run("run", "workflows/invoices.yaml")
    assert done.status == 6, done.err
    assert (done.result["invoices"], done.result["not_read"]) == (3, ["2026-10-15_ovenparts.txt"])
    assert done.result["to_pay"]["USD"] == 0
    assert len(rows(out(project, "invoices.csv"))) == 3


# Polish.


def test_a_text_is_written_again_until_it_is_good(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    def answer(body: dict[str, Any]) -> str:
        if "text" not in body:
            return "A better draft." if "Say when" in asked(body) else "A draft."
        score = 9 if "A better draft." in asked(body) else 5
        return json.dumps({"score": score, "advice": "Say when."})

    simulator = simulate(replies=answer)
    project.with_gallery().at(simulator)
    done = project.run("run", "workflows/polish.yaml")
    assert done.result == {"text": "A better draft.", "score": 9, "rounds": 2, "good": True}
    first, _, second, _ = [asked(call.body) for call in posts(simulator)]
    assert "last draft" not in first
    assert "A draft." in second
    assert "Say when." in second


# The support desk.

WAYS = {
    "transfer": {"transfer_facts", "transfer_reply"},
    "card": {"card_reply"},
    "complaint": {"apology"},
    "thanks": {"friendly_reply"},
    "other": {"friendly_reply"},
}


@pytest.mark.parametrize("kind", WAYS)
def test_the_support_desk_goes_one_way(
    project: Project, simulate: Callable[..., Simulator], kind: str
) -> None:
    def answer(body: dict[str, Any]) -> str:
        if "text" not in body:
            return f"Dear customer: {kind}"
        if "kind" in body["text"]["format"]["schema"]["properties"]:
            return json.dumps({"kind": kind, "reason": "so"})
        return json.dumps({"given": ["10 EUR"], "missing": ["the day", "the payee"]})

    simulator = simulate(replies=answer)
    project.with_gallery().at(simulator)
    done = project.run("run", "workflows/support_desk.yaml", "-i", "message=Hello")
    missing = ["the day", "the payee"] if kind == "transfer" else []
    assert done.result == {
        "kind": kind,
        "reason": "so",
        "reply": f"Dear customer: {kind}",
        "missing": missing,
    }
    ran = [str(call.client_request_id).split("/")[-2] for call in posts(simulator)]
    assert sorted(ran) == sorted({"sort", *WAYS[kind]})
    asks = [asked(call.body) for call in posts(simulator)]
    assert any("the day; the payee" in text for text in asks) == (kind == "transfer")


# Translations.


def test_a_page_is_translated_into_each_language(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    def answer(body: dict[str, Any]) -> str:
        (language,) = re.findall(r"into (\w+):", asked(body))
        if "text" not in body:
            return f"rough {language}"
        assert f"rough {language}" in asked(body)
        return json.dumps({"text": f"fine {language}", "corrections": 2})

    project.with_gallery().at(simulate(replies=answer))
    words = [word for name in ("Welsh", "Danish") for word in ("-i", f"languages={name}")]
    done = project.run("run", "workflows/translate_page.yaml", *words)
    page = "# Welsh\n\nfine Welsh\n\n# Danish\n\nfine Danish\n\n"
    assert done.result == {"languages": 2, "corrections": 4, "page": page}
    assert out(project, "translations.md").read_text(encoding="utf-8") == page


# A change log.


def test_a_program_counts_and_the_model_is_told(project: Project, simulator: Simulator) -> None:
    project.with_gallery().at(simulator)
    log = "# Log\n- no release\n\n## Version 2.0\n\n- a\n- b\n  - of b\n\n## 1.9.1\n* c\n"
    project.write("CHANGES.md", log)
    words = ("run", "workflows/changelog_facts.yaml", "-i", "changelog=CHANGES.md")
    done = project.run(*words)
    assert done.status == 0, done.err
    found = {key: value for key, value in done.result.items() if key != "portrait"}
    assert found == {"releases": 2, "changes": 4, "changes_per_release": 2, "busiest": "2.0"}
    (call,) = posts(simulator)
    assert "2 releases\nwith 4 changes" in asked(call.body)
    project.write("CHANGES.md", "Nothing yet.")
    refused = project.run(*words)
    assert refused.status == 1
    assert "no heading of this text looks like a release" in refused.err
    assert len(posts(simulator)) == 1, "nothing was asked without facts"


# A newsletter.


def test_nothing_is_sent_before_a_person_agrees(project: Project, simulator: Simulator) -> None:
    project.with_gallery().at(simulator)
    outbox = out(project, "outbox.jsonl")
    waiting = project.run("run", "workflows/newsletter.yaml", "-i", "to=all@linden.example")
    assert waiting.status == 9, waiting.err
    assert "Send this to all@linden.example?" in waiting.err
    assert project.run("resume", "latest").status == 9, "it still waits"
    assert not outbox.exists()
    assert project.run("approve", "latest", "release").status == 0
    assert not outbox.exists(), "agreeing sends nothing; going on does"
    done = project.run("resume", "latest")
    assert done.status == 0, done.err
    letter = json.loads(outbox.read_text(encoding="utf-8"))
    assert letter["to"] == "all@linden.example"
    assert letter["subject"] == done.result["subject"]
    assert (done.result["outbox"], done.result["letters"]) == ("out/outbox.jsonl", 1)
    assert len(posts(simulator)) == 1, "the letter that was read is the letter that was sent"
    project.run("resume", "latest")
    assert len(outbox.read_text(encoding="utf-8").splitlines()) == 1


def test_a_denied_letter_is_never_sent(project: Project, simulator: Simulator) -> None:
    project.with_gallery().at(simulator)
    project.run("run", "workflows/newsletter.yaml")
    denied = project.run("approve", "latest", "release", "--deny", "--reason", "Wrong day")
    assert denied.status == 0, denied.err
    assert project.run("resume", "latest").status != 0
    assert not out(project, "outbox.jsonl").exists()
    assert len(posts(simulator)) == 1


# A meeting.

ACTIONS = [
    {"what": "Fit the element", "owner": "Ben", "due": "2026-10-20", "state": "open"},
    {"what": "Ring the landlord", "owner": "Dawit", "due": "2026-10-09", "state": "open"},
    {"what": "Write the text", "owner": "Amira", "due": "2026-10-14", "state": "unclear"},
    {"what": "Pay the mill", "owner": "Chiara", "due": "2026-10-06", "state": "done"},
    {"what": "Ask what a stall costs", "owner": None, "due": None, "state": "open"},
]


def _actions(body: dict[str, Any]) -> str | None:
    return json.dumps({"value": ACTIONS}) if "text" in body else None


def test_overdue_actions_are_reminded_of(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(replies=_actions)
    project.with_gallery().at(simulator)
    words = ("run", "workflows/meeting_actions.yaml", "-i")
    done = project.run(*words, "today=2026-10-15")
    assert done.status == 0, done.err
    assert done.result["actions"] == ACTIONS
    assert done.result["open"] == 4
    assert done.result["overdue"] == ["Ring the landlord", "Write the text"]
    reminder = asked(posts(simulator)[-1].body)
    assert "| Dawit | Ring the landlord | 2026-10-09 |" in reminder
    assert "Ben" not in reminder
    assert "|  | Ask what a stall costs |  | open |" in done.result["minutes"]
    early = project.run(*words, "today=2026-10-06")
    assert early.result["overdue"] == []
    assert early.result["minutes"].endswith("There is none.\n")
    assert len(posts(simulator)) == 3, "no reminder where nothing is late"


def test_the_actions_come_out_without_the_reminder(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    wrong = {"status": 400, "error": {"message": "no"}}
    rule = {"match": {"client_request_id": "/reminder/"}, "do": wrong}
    simulator = simulate([rule], replies=_actions)
    project.with_gallery().at(simulator)
    done = project.run("run", "workflows/meeting_actions.yaml", "-i", "today=2026-10-15")
    assert done.status == 6, done.err
    assert done.result["minutes"].endswith("There is none.\n")
    assert len(done.result["overdue"]) == 2


def test_the_budget_holds_back_what_could_cost_more(project: Project, simulator: Simulator) -> None:
    project.with_gallery().at(simulator)
    path = project.folder / "workflows" / "meeting_actions.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("budget: 0.10 USD", "budget: 0.0001 USD"), encoding="utf-8")
    done = project.run("run", "workflows/meeting_actions.yaml")
    assert done.status == 5, done.err
    assert posts(simulator) == []
