"""Appending returns after the commit, and what was appended can be looked up."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_histories import (
    NOW,
    address,
    call_answered,
    call_sent,
    clock,
    item_history,
    run_finished,
    run_started,
    small_history,
    step_finished,
    step_started,
    warned,
)

from flowrunner.errors import EnvironmentFault, JournalUnusable, RunBusy
from flowrunner.events import Event, StepStarted
from flowrunner.journal.journal import Journal


@pytest.fixture(params=[False, True], ids=["thread", "inline"])
def journal(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Journal]:
    with Journal.create(tmp_path / "run", {}, clock, inline=request.param) as opened:
        yield opened


def seen_by_another(journal: Journal) -> list[Event]:
    with Journal.open(journal.folder) as other:
        return [event for _, event in other.events(bodies=True)]


def test_an_event_is_on_disk_when_append_returns(journal: Journal) -> None:
    async def write() -> None:
        for number, event in enumerate(small_history(), start=1):
            assert await journal.append(event) == number
            assert journal.last_seq == number
            assert seen_by_another(journal) == small_history()[:number]

    asyncio.run(write())


def test_neighbours_stay_neighbours_in_a_crowd(journal: Journal) -> None:
    async def one(number: int) -> list[int]:
        unit = f"extract[{number}]"
        events = [step_started(unit), step_finished(unit, result={"n": number})]
        return await journal.append_many(events)

    async def crowd() -> list[list[int]]:
        return await asyncio.gather(*(one(number) for number in range(1, 201)))

    numbers = asyncio.run(crowd())
    assert sorted(number for pair in numbers for number in pair) == list(range(1, 401))
    assert all(second == first + 1 for first, second in numbers)
    assert journal.result("extract[77]") == {"n": 77}
    journal.verify()


def test_appending_nothing_gives_nothing(journal: Journal) -> None:
    assert asyncio.run(journal.append_many([])) == []
    assert journal.last_seq == 0


def test_a_crowd_shares_commits(tmp_path: Path) -> None:
    """A hundred records of one turn of the loop are one transaction: they are seen all at once."""
    with Journal.create(tmp_path / "run", {}, clock) as journal:
        counts = []

        async def one(number: int) -> None:
            await journal.append(step_started(f"extract[{number}]"))
            counts.append(journal.last_seq)

        async def crowd() -> None:
            await asyncio.gather(*(one(number) for number in range(1, 101)))

        asyncio.run(crowd())
    assert counts == [100] * 100


def test_cancelling_a_waiter_does_not_lose_the_event(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "run", {}, clock) as journal:

        async def give_up() -> None:
            waiting = asyncio.ensure_future(journal.append(call_sent()))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await journal.append(call_answered()) == 2

        asyncio.run(give_up())
        assert [event.at for _, event in journal.events()] == [NOW, NOW + 1]


def test_closing_commits_what_waits(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "run", {}, clock)

    async def leave() -> None:
        waiting = asyncio.ensure_future(journal.append(call_sent()))
        await asyncio.sleep(0)
        journal.close()
        assert await waiting == 1

    asyncio.run(leave())
    with Journal.open(tmp_path / "run") as again:
        assert again.last_seq == 1


def test_a_closed_journal_takes_nothing(journal: Journal) -> None:
    journal.close()
    journal.close()
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(journal.append(step_started()))


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    with Journal.create(tmp_path / "run", {}, clock):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_an_event_that_json_does_not_have_harms_nobody_else(journal: Journal) -> None:
    async def write() -> None:
        with pytest.raises(TypeError):
            await journal.append(step_finished(result={1, 2}))
        assert await journal.append(step_finished(result=[1, 2])) == 1

    asyncio.run(write())


# --- observers


def test_observers_hear_every_record_in_order(journal: Journal) -> None:
    heard: list[tuple[int, Event]] = []

    async def write() -> None:
        stop = journal.subscribe(lambda seq, event: heard.append((seq, event)))
        await journal.append_many(small_history()[:3])
        await journal.append(small_history()[3])
        await asyncio.sleep(0)
        stop()
        stop()
        await journal.append(small_history()[4])

    asyncio.run(write())
    assert heard == list(enumerate(small_history()[:4], start=1))


def test_an_observer_hears_the_last_record_before_the_loop_ends(journal: Journal) -> None:
    heard: list[int] = []

    async def write() -> None:
        journal.subscribe(lambda seq, event: heard.append(seq))
        await journal.append(run_finished())

    asyncio.run(write())
    assert heard == [1]


def test_an_observer_that_fails_harms_nobody(journal: Journal) -> None:
    heard: list[int] = []

    def broken(seq: int, event: Event) -> None:
        raise BrokenPipeError("stdout is closed")

    async def write() -> None:
        journal.subscribe(broken)
        journal.subscribe(lambda seq, event: heard.append(seq))
        await journal.append_many(small_history())
        await asyncio.sleep(0)

    asyncio.run(write())
    assert heard == list(range(1, len(small_history()) + 1))
    assert [type(error) for error in journal.observer_failures] == [BrokenPipeError]


# --- look-ups


def test_looking_up(journal: Journal) -> None:
    asyncio.run(journal.append_many(small_history()))
    assert journal.result("triage") == {"status": "succeeded", "text": "billing"}
    assert journal.result("reply") is None
    assert journal.result("unheard_of") is None
    assert journal.calls("unheard_of") == []
    first, second = journal.calls("triage")
    assert journal.body(first.sent_seq, "request")["input"] == "Ticket of triage: größer 💸"
    assert journal.body(first.end_seq or 0, "raw") == '{"error": …}'
    assert journal.body(second.end_seq or 0, "response")["id"] == "resp_1"
    assert journal.event(4) == call_sent()
    assert journal.event(9) == warned(address())
    assert [seq for seq, _ in journal.events(after_seq=8)] == [9, 10, 11]
    assert journal.created_at == NOW
    assert journal.epoch == 1


def test_a_body_that_a_record_does_not_have(journal: Journal) -> None:
    asyncio.run(journal.append(step_started()))
    with pytest.raises(KeyError):
        journal.body(1, "request")
    with pytest.raises(JournalUnusable, match="record 2"):
        journal.body(2, "request")


def test_bodies_are_read_only_when_asked_for(journal: Journal) -> None:
    asyncio.run(journal.append(call_sent()))
    (((_, light),), ((_, whole),)) = list(journal.events()), list(journal.events(bodies=True))
    assert light.request is None
    assert whole == call_sent()


def test_long_histories_are_read_in_pages(journal: Journal) -> None:
    history = [run_started(), *(step_started(f"extract[{n}]") for n in range(1, 2501))]
    asyncio.run(journal.append_many(history))
    assert [event for _, event in journal.events()] == history


def test_long_texts_come_back(journal: Journal) -> None:
    history = list(item_history(8))
    asyncio.run(journal.append_many(history))
    assert [event for _, event in journal.events(bodies=True)] == history


def test_frozen_contents_come_back(tmp_path: Path) -> None:
    frozen = {"workflow.yaml": "größer", "inputs": b"\x00\xff", "prompts/long.md": "long " * 5000}
    with Journal.create(tmp_path / "run", frozen, clock) as journal:
        assert journal.frozen_names() == ["inputs", "prompts/long.md", "workflow.yaml"]
        assert journal.frozen("workflow.yaml") == "größer".encode()
        assert journal.frozen("inputs") == b"\x00\xff"
        assert journal.frozen("prompts/long.md") == b"long " * 5000
        with pytest.raises(JournalUnusable, match="`nothing` is not in it"):
            journal.frozen("nothing")


@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
def test_what_was_frozen_is_replaced_and_kept(tmp_path: Path, inline: bool) -> None:
    folder = tmp_path / "run"
    frozen = {"workflow": "old " * 2000, "inputs": b"{}", "prompts/a.md": "A"}
    Journal.create(folder, frozen, clock, inline=inline).close()
    with Journal.open(folder, writable=True, inline=inline) as journal:
        journal.refreeze({"workflow": "new", "inputs": "{}", "prompts/b.md": "größer"})
        asyncio.run(journal.append(run_started("triage")))
        journal.refreeze({"workflow": "newest"})
    with Journal.open(folder, writable=True, inline=inline) as journal:
        journal.refreeze({"workflow": "last"})
        journal.verify()
        assert {name: journal.frozen(name) for name in journal.frozen_names()} == {
            "workflow": b"last",
            "workflow@2": b"old " * 2000,
            "workflow@3": b"newest",
            "inputs": b"{}",
            "prompts/a.md": b"A",
            "prompts/b.md": "größer".encode(),
        }


def test_only_the_owner_replaces_what_was_frozen(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Journal.create(folder, {"workflow": "old"}, clock) as journal:
        (folder / "lock").unlink()
        with Journal.open(folder) as reader, pytest.raises(RuntimeError, match="reading only"):
            reader.refreeze({"workflow": "new"})
        Journal.open(folder, writable=True).close()
        with pytest.raises(JournalUnusable, match="Another flowrunner has taken over"):
            journal.refreeze({"workflow": "new"})
        with pytest.raises(JournalUnusable, match="Another flowrunner has taken over"):
            asyncio.run(journal.append(step_started()))
        assert journal.frozen_names() == ["workflow"]
    with pytest.raises(RuntimeError, match="closed"):
        journal.refreeze({"workflow": "new"})


def test_all_is_replaced_or_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Journal.create(folder, {"a": "old", "b": "old"}, clock) as journal:
        connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
        connection.execute("UPDATE frozen SET content = 'odd' WHERE name = 'b'")
        connection.close()
        with pytest.raises(JournalUnusable, match="`b` in it is not what was written"):
            journal.refreeze({"a": "new", "b": "new"})
        assert journal.frozen("a") == b"old"


def test_all_steps_without_their_calls(journal: Journal) -> None:
    units = [f"extract[{number}]" for number in range(1, 2502)]
    asyncio.run(journal.append_many([step_started(unit) for unit in units]))
    assert [step.unit for step in journal.steps()] == sorted(units)


def test_reading_while_another_writes(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "run", {}, clock) as journal:
        with Journal.open(tmp_path / "run") as reader:
            for done in range(1, 5):
                asyncio.run(journal.append(step_started(f"extract[{done}]")))
                assert len(reader.replay().steps) == done
                assert reader.last_seq == done
            assert isinstance(reader.event(2), StepStarted)
        with pytest.raises(RuntimeError, match="reading only"):
            asyncio.run(reader.append(step_started()))


# --- the folder


def test_a_finished_run_is_one_private_file(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Journal.create(folder, {"workflow": "x"}, clock) as journal:
        asyncio.run(journal.append_many(small_history()))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    with Journal.open(folder) as journal:
        journal.replay()
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["journal.db", "journal.mark", "lock"]


def test_a_copied_file_is_a_whole_run(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "run", {"workflow": "x"}, clock) as journal:
        asyncio.run(journal.append_many(small_history()))
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "journal.db").write_bytes((tmp_path / "run" / "journal.db").read_bytes())
    with Journal.open(copy) as journal:
        assert [event for _, event in journal.events(bodies=True)] == small_history()
        assert journal.frozen("workflow") == b"x"


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    Journal.create(tmp_path / "run", {}, clock).close()
    with pytest.raises(EnvironmentFault, match="holds the journal of another run"):
        Journal.create(tmp_path / "run", {}, clock)
    Journal.open(tmp_path / "run", writable=True).close()


# --- ownership


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    busy = pytest.raises(RunBusy, match=r"`run` is already.*\(pid \d+ since 20\d\d-.* UTC\)")
    with Journal.create(tmp_path / "run", {}, clock), busy:
        Journal.open(tmp_path / "run", writable=True)
    for epoch in (2, 3, 4):
        with Journal.open(tmp_path / "run", writable=True) as again:
            assert again.epoch == epoch


@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
def test_a_fenced_owner_cannot_append(tmp_path: Path, inline: bool) -> None:
    """Its lock file was removed, so another owner came; the first must not write any more."""
    folder = tmp_path / "run"
    with Journal.create(folder, {}, clock, inline=inline) as first:
        asyncio.run(first.append(run_started("triage")))
        (folder / "lock").unlink()
        with Journal.open(folder, writable=True, inline=inline) as second:

            async def both() -> None:
                for _ in range(2):
                    with pytest.raises(JournalUnusable, match="Another flowrunner has taken over"):
                        await first.append(step_started())
                assert await second.append(step_started()) == 2

            asyncio.run(both())
            second.verify()
    with Journal.open(folder, writable=True) as third:
        assert third.last_seq == 2


def test_a_refused_owner_leaves_the_lock_free(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    Journal.create(folder, {}, clock).close()
    whole = (folder / "journal.db").read_bytes()
    (folder / "journal.db").write_bytes(whole[:4096])
    with pytest.raises(JournalUnusable):
        Journal.open(folder, writable=True)
    (folder / "journal.db").write_bytes(whole)
    Journal.open(folder, writable=True).close()
