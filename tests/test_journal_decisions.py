"""People decide about a run from any process, whoever owns it, and whether it lives or not."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from journal_histories import (
    NOW,
    approval_asked,
    approval_given,
    clock,
    run_finished,
    run_started,
    small_history,
    step_finished,
    step_started,
)

from flowrunner import events
from flowrunner.errors import EnvironmentFault, JournalUnusable, UsageError
from flowrunner.events import Event
from flowrunner.journal.decisions import Decision, decide
from flowrunner.journal.journal import Journal

CHILD = str(Path(__file__).with_name("journal_child.py"))
YES = Decision("send", True, "Ada", "looks good", NOW + 7)
ASKED = [run_started("send"), step_started("send"), approval_asked("send")]


def answer(folder: Path, decision: Decision = YES) -> None:
    decide(
        folder,
        decision.unit,
        granted=decision.granted,
        by=decision.by,
        why=decision.why,
        at=decision.at,
    )


def run_of(folder: Path, history: list[Event]) -> Path:
    with Journal.create(folder, {}, clock, inline=True) as journal:
        asyncio.run(journal.append_many(history))
    return folder


def append(folder: Path, *history: Event) -> None:
    with Journal.open(folder, writable=True, inline=True) as journal:
        asyncio.run(journal.append_many(history))


def decision_in(folder: Path, unit: str = "send") -> Decision | None:
    with Journal.open(folder) as journal:
        journal.verify()
        return journal.decisions(unit)


@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
def test_while_the_owner_lives(tmp_path: Path, inline: bool) -> None:
    with Journal.create(tmp_path / "run", {}, clock, inline=inline) as journal:
        asyncio.run(journal.append_many(ASKED))
        assert journal.decisions("send") is None
        answer(tmp_path / "run")
        assert journal.decisions("send") == YES
        assert asyncio.run(journal.append(approval_given("send"))) == 4
        assert journal.decisions("send") is None
        journal.verify()
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["journal.db", "journal.mark", "lock"]


def test_after_the_run_ended(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", [*ASKED, run_finished(status="waiting")])
    answer(folder)
    assert decision_in(folder) == YES
    with Journal.open(folder, writable=True) as journal:
        resumed = [events.RunResumed(at=NOW + 60, epoch=2), step_started("send", NOW + 61)]
        asyncio.run(journal.append_many(resumed))
        assert journal.decisions("send") == YES
        asyncio.run(journal.append(approval_asked("send", at=NOW + 62)))
        assert journal.decisions("send") == YES


def test_after_the_process_died(tmp_path: Path) -> None:
    """Its last records stand in the log; whoever decides may be the first to open the file."""
    folder = tmp_path / "run"
    died = subprocess.run([sys.executable, CHILD, "die_asking", str(folder), "0"], check=False)
    assert died.returncode == -9
    assert (folder / "journal.db-wal").stat().st_size
    answer(folder)
    assert decision_in(folder) == YES
    with Journal.open(folder, writable=True) as journal:
        assert journal.last_seq == 3
        assert journal.decisions("send") == YES


def test_an_answer_to_another_text_does_not_count(tmp_path: Path) -> None:
    """Somebody agreed to what was shown, and to nothing else."""
    folder = run_of(tmp_path / "run", ASKED)
    answer(folder)
    append(folder, approval_asked("send", text="Send 9,000 mails?"))
    assert decision_in(folder) is None
    answer(folder, no := Decision("send", False, "Bob", None, NOW + 9))
    assert decision_in(folder) == no


def test_a_step_that_is_done_again_asks_again(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", ASKED)
    answer(folder, Decision("send", False, "Bob", "not yet", NOW + 7))
    append(folder, approval_given("send", granted=False), step_finished("send", status="failed"))
    append(folder, step_started("send"), approval_asked("send"))
    assert decision_in(folder) is None
    answer(folder)
    assert decision_in(folder) == YES


def test_a_step_that_ended_waiting_keeps_its_question(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", [*ASKED, step_finished("send", status="waiting")])
    answer(folder)
    append(folder, step_started("send", NOW + 60), approval_asked("send", at=NOW + 61))
    assert decision_in(folder) == YES


TWO = [*ASKED, step_started("sub/publish[2]"), approval_asked("sub/publish[2]")]
REFUSALS = {
    "nothing-waits": (
        small_history(),
        "send",
        "Nothing in the run `run` waits for a decision.",
        "`flowrunner show run`",
    ),
    "another-waits": (
        TWO,
        "triage",
        "`triage` does not wait for a decision in the run `run`; these do: `send`, `sub/pu",
        None,
    ),
    "misspelt": (ASKED, "sent", "these do: `send`.", "Did you mean `send`?"),
    "not-an-address": (ASKED, "'; --", "`'; --` does not wait", None),
    "given-on-a-terminal": (
        [*ASKED, approval_given("send")],
        "send",
        "`send` was already approved by `Ada` (looks good).",
        "`flowrunner show run`",
    ),
    "denied-and-over": (
        [*ASKED, approval_given("send", granted=False, why=None), step_finished("send")],
        "send",
        "`send` was already denied by `Ada`.",
        None,
    ),
    "cancelled": (
        [*TWO, step_finished("send", status="cancelled")],
        "send",
        "`send` does not wait for a decision in the run `run`; these do: `sub/publish[2]`.",
        None,
    ),
    "many": (
        [approval_asked(f"send[{number}]") for number in range(1, 11)],
        "other",
        "`send[7]` and 2 more.",
        None,
    ),
}


@pytest.mark.parametrize(("history", "unit", "words", "advice"), REFUSALS.values(), ids=REFUSALS)
def test_what_nobody_asked(
    tmp_path: Path, history: list[Event], unit: str, words: str, advice: str | None
) -> None:
    folder = run_of(tmp_path / "run", history)
    with pytest.raises(UsageError) as refusal:
        decide(folder, unit, granted=True, by="Eve", why=None, at=NOW)
    assert words in refusal.value.message
    assert (advice or "") in (refusal.value.help or "")


def test_a_question_takes_one_answer(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", TWO)
    answer(folder)
    with pytest.raises(UsageError, match=r"`send` was already approved by `Ada` \(looks good\)"):
        answer(folder, Decision("send", False, "Bob", None, NOW))
    with pytest.raises(UsageError, match=r"these do: `sub/publish\[2\]`\."):
        answer(folder, Decision("triage", False, "Bob", None, NOW))
    assert decision_in(folder) == YES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE decisions SET content = replace(content, 'true', 'false')", "decision about `se"),
        ("UPDATE decisions SET checksum = checksum + 1", "decision about `send`"),
        ("UPDATE steps SET content = replace(content, 'Send', 'Burn')", "step `send`"),
    ],
    ids=["decision", "checksum", "question"],
)
def test_what_was_changed_behind_its_back(tmp_path: Path, change: str, words: str) -> None:
    folder = run_of(tmp_path / "run", ASKED)
    answer(folder)
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    connection.execute(change)
    connection.close()
    with Journal.open(folder) as journal, pytest.raises(JournalUnusable, match=words):
        journal.decisions("send")
    with pytest.raises(JournalUnusable, match="damaged"):
        answer(folder)
    with pytest.raises(JournalUnusable, match="damaged"):
        Journal.open(folder, writable=True)


def test_a_journal_that_lost_its_end_takes_no_decision(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", ASKED)
    (folder / "journal.mark").write_bytes(b"%020d\n" % 9)
    with pytest.raises(JournalUnusable, match="missing"):
        answer(folder)


def test_a_program_that_keeps_the_journal_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowrunner.journal.opening._ADDING_BUSY_MS", 1)
    folder = run_of(tmp_path / "run", ASKED)
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(EnvironmentFault, match="Another program keeps the journal"):
        answer(folder)
    connection.close()
    answer(folder)


def test_many_processes_decide_while_the_owner_writes(tmp_path: Path) -> None:
    """The owner appends without a pause; others decide; nobody hinders anybody for good."""
    folder, people = tmp_path / "run", 6
    asked = [approval_asked(f"send[{number}]") for number in range(1, people + 1)]
    with Journal.create(folder, {}, clock) as journal:

        async def work() -> int:
            await journal.append_many(asked)
            crowd = [
                subprocess.Popen([sys.executable, CHILD, "approve", str(folder), str(number)])
                for number in range(1, people + 1)
            ]
            written = 0
            while any(process.poll() is None for process in crowd):
                written += 1
                unit = f"extract[{written}]"
                await journal.append_many([step_started(unit), step_finished(unit)])
            assert [process.returncode for process in crowd] == [0] * people
            return written

        written = asyncio.run(work())
        taken = [journal.decisions(f"send[{number}]") for number in range(1, people + 1)]
        assert [decision and decision.by for decision in taken] == [
            f"person {number}" for number in range(1, people + 1)
        ]
        assert journal.last_seq == people + 2 * written
    with Journal.open(folder, writable=True) as journal:
        journal.verify()


def test_of_many_at_once_one_is_heard(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", [approval_asked("send[1]")])
    crowd = [
        subprocess.Popen(
            [sys.executable, CHILD, "approve", str(folder), "1"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    said = [process.communicate()[0] for process in crowd]
    assert sorted(process.returncode for process in crowd) == [0, 2, 2, 2, 2]
    assert sum("`send[1]` was already approved by `person 1`" in words for words in said) == 4


def test_looking_into_a_run_of_ones_own_leaves_its_locks(tmp_path: Path) -> None:
    """An outsider that leaves would else take the owner's log along with it."""
    folder = tmp_path / "run"
    with Journal.create(folder, {}, clock) as journal:
        asyncio.run(journal.append_many([approval_asked("send[1]"), approval_asked("send[2]")]))
        with Journal.open(folder) as reader:
            assert reader.last_seq == 2
        for number in (1, 2):
            command = [sys.executable, CHILD, "approve", str(folder), str(number)]
            assert subprocess.run(command, check=False).returncode == 0
            assert asyncio.run(journal.append(step_started())) == 2 + number
        journal.verify()
