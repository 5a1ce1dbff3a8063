"""What prompt steps attach: what leaves, what stays in the journal, what is refused and why."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from flowrunner.engine.outgoing import INLINE_BYTES, INLINE_BYTES_IN_ALL, KEPT_S, to_upload
from flowrunner.journal.journal import Journal
from flowrunner.language.attachments import FileMark
from flowrunner.project.files import describe
from flowrunner.responses.outcome import Reply
from tests.engine_world import HEAD, Ended, World, answered, in_turn, lost, refused, told
from tests.sample_files import pdf, png

SCAN = HEAD + "inputs: { scan: file }\n"
ROWS = HEAD + "inputs: { rows: table }\n"
EACH = """\
steps:
  - id: look
    for_each: inputs.rows
    prompt: What is {{ item.file }}?
    attach: ["{{ item.file }}"]
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / ".git").mkdir()
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.png").write_bytes(png())
    (tmp_path / "scans" / "b.pdf").write_bytes(pdf())
    (tmp_path / "notes.txt").write_text("Some notes.\n", encoding="utf-8")
    return World(tmp_path)


def attaching(*entries: str, more: str = "") -> str:
    listed = ", ".join(entries)
    return f"steps:\n  - id: look\n    prompt: What is this?\n    attach: [{listed}]\n{more}"


def parts(ended: Ended, unit: str = "look") -> list[dict[str, Any]]:
    """What stood behind the text of the message that was sent."""
    (message,) = ended.asked()[unit]
    assert message["role"] == "user"
    text, *rest = message["content"]
    assert text["type"] == "input_text"
    return rest


def data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def file_input(world: World, name: str) -> dict[str, Any]:
    return describe(world.folder / name, name)


def why(ended: Ended, unit: str = "look") -> str:
    """The sentence with which a unit failed before anything was sent."""
    assert ended.status(unit) == "failed"
    assert ended.reason(unit) == "attach"
    assert ended.sender.bodies == {}
    message = ended.state.steps[unit].message
    assert message is not None
    return message


# What leaves.


def test_pictures_and_files_stand_behind_the_text(world: World) -> None:
    entries = ("{ file: scans/a.png, detail: low }", "scans/b.pdf", "notes.txt")
    sent = parts(world.run(attaching(*entries)))
    assert sent == [
        {"type": "input_image", "image_url": data_url("image/png", png()), "detail": "low"},
        {
            "type": "input_file",
            "filename": "b.pdf",
            "file_data": data_url("application/pdf", pdf()),
        },
        {
            "type": "input_file",
            "filename": "notes.txt",
            "file_data": data_url("text/plain", b"Some notes.\n"),
        },
    ]


def test_patterns_are_expanded_in_order_and_hidden_files_left_out(world: World) -> None:
    (world.folder / "scans" / "c.png").write_bytes(png(5))
    (world.folder / "scans" / ".d.png").write_bytes(png(6))
    sent = parts(world.run(attaching('"scans/*.png"')))
    assert [each["image_url"] for each in sent] == [
        data_url("image/png", png()),
        data_url("image/png", png(5)),
    ]


def test_addresses_are_sent_as_they_are(world: World) -> None:
    entries = ('"https://example.com/a.JPG?size=2"', '"https://example.com/b.pdf"')
    assert parts(world.run(attaching(*entries))) == [
        {"type": "input_image", "image_url": "https://example.com/a.JPG?size=2"},
        {"type": "input_file", "file_url": "https://example.com/b.pdf"},
    ]


def test_files_have_the_detail_that_files_know(world: World) -> None:
    steps = attaching(
        "{ file: scans/b.pdf, detail: original }", "{ file: scans/b.pdf, detail: high }"
    )
    assert [each.get("detail") for each in parts(world.run(steps))] == [None, "high"]


def test_a_picture_is_what_it_holds_not_what_it_is_called(world: World) -> None:
    (world.folder / "scans" / "a.jpg").write_bytes(png(7))
    (sent,) = parts(world.run(attaching("scans/a.jpg")))
    assert sent["image_url"] == data_url("image/png", png(7))


@pytest.mark.parametrize("entry", ["{{ inputs.scan }}", "{{ inputs.scan.path }}"])
def test_a_file_input_may_lie_anywhere(world: World, tmp_path: Path, entry: str) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.png").write_bytes(png(9))
    record = describe(elsewhere / "a.png", str(elsewhere / "a.png"))
    ended = world.run(attaching(f'"{entry}"'), head=SCAN, inputs={"scan": record})
    assert parts(ended) == [{"type": "input_image", "image_url": data_url("image/png", png(9))}]


def test_files_as_a_whole_are_all_of_them(world: World) -> None:
    head = HEAD + "inputs: { scans: files }\n"
    records = [file_input(world, "scans/a.png"), file_input(world, "scans/b.pdf")]
    ended = world.run(attaching('"{{ inputs.scans }}"'), head=head, inputs={"scans": records})
    assert [each["type"] for each in parts(ended)] == ["input_image", "input_file"]


def test_an_optional_file_that_is_not_there_attaches_nothing(world: World) -> None:
    head = HEAD + "inputs: { scan: { type: file, optional: true } }\n"
    ended = world.run(attaching('"{{ inputs.scan }}"'), head=head, inputs={"scan": None})
    assert ended.asked()["look"] == "What is this?"


def test_a_bad_answer_is_shown_to_the_model_with_the_file_still_there(world: World) -> None:
    steps = attaching("scans/a.png", more="    output: { kind: text }\n    retry: 2\n")
    script = in_turn(look=[answered("none"), answered('{"kind": "a red square"}')])
    ended = world.run(steps, script)
    assert ended.status("look") == "succeeded"
    second = list(ended.sender.bodies.values())[1]["input"]
    assert second[0]["content"][1]["image_url"] == data_url("image/png", png())
    assert [item["role"] for item in second] == ["user", "assistant", "user"]


# What stays.


def test_the_journal_holds_what_a_file_is_and_never_its_bytes(world: World) -> None:
    ended = world.run(attaching("scans/a.png", "scans/b.pdf"))
    assert ended.status("look") == "succeeded"
    with Journal.open(world.run_folder) as journal:
        (call,) = journal.calls("look")
        request = journal.body(call.sent_seq, "request")
    _, image, file = request["input"][0]["content"]
    mark = FileMark.read(image["image_url"])
    assert mark is not None
    assert (mark.name, mark.media_type, mark.size) == ("a.png", "image/png", len(png()))
    assert FileMark.read(file["file_data"]) is not None
    assert base64.b64encode(png())[:40].decode() not in json.dumps(request)


def test_a_resume_asks_again_only_where_the_bytes_changed(world: World) -> None:
    steps = attaching("scans/a.png", more="  - { id: other, prompt: Go on, attach: [notes.txt] }\n")
    assert world.run(steps).status("other") == "succeeded"
    assert world.resume(edited=steps).sender.units() == []
    (world.folder / "scans" / "a.png").write_bytes(png(8))
    again = world.resume(edited=steps)
    assert again.sender.units() == ["look"]
    assert parts(again)[0]["image_url"] == data_url("image/png", png(8))


def test_a_file_input_that_changed_meanwhile_is_not_sent(world: World) -> None:
    record = file_input(world, "notes.txt")
    (world.folder / "notes.txt").write_text("Other notes.\n", encoding="utf-8")
    ended = world.run(attaching('"{{ inputs.scan }}"'), head=SCAN, inputs={"scan": record})
    assert why(ended) == "`attach`: `notes.txt` was changed since this run first read it"
    assert "--accept-changes" in (ended.state.steps["look"].help or "")


# What is refused.

REFUSED = {
    "missing": ("scans/z.png", "`attach`: `scans/z.png` does not exist"),
    "outside": ("../x.png", "`attach`: `../x.png` comes out of data"),
    "absolute": ("/etc/hostname", "`attach`: `/etc/hostname` is an absolute path"),
    "home": ("~/x.png", "`attach`: `~/x.png` is an absolute path"),
    "address": ("file:///etc/hostname", "`attach`: `file:///etc/hostname` is a `file:` address"),
    "data": ("data:text/plain,x", "`attach`: `data:text/plain,x` begins with `data:`"),
    "not named": ("scans/a.png", "`attach`: `scans/a.png` comes out of data"),
}


@pytest.mark.parametrize(("path", "said"), REFUSED.values(), ids=REFUSED)
def test_data_names_no_file_that_the_step_does_not(world: World, path: str, said: str) -> None:
    steps = EACH if path != "scans/z.png" else f"{EACH}    within: scans\n"
    ended = world.run(steps, head=ROWS, inputs={"rows": [{"file": path}]})
    assert why(ended, "look[1]").startswith(said)


def test_within_a_named_folder_data_chooses(world: World) -> None:
    rows = [{"file": "scans/a.png"}, {"file": "b.pdf"}, {"file": "./scans/../scans/a.png"}]
    ended = world.run(f"{EACH}    within: scans\n", head=ROWS, inputs={"rows": rows})
    kinds = [parts(ended, f"look[{at}]")[0]["type"] for at in (1, 2, 3)]
    assert kinds == ["input_image", "input_file", "input_image"]


ESCAPES = {
    "above": "scans/../notes.txt",
    "far above": "../../../../../../etc/hostname",
    "link to a file": "scans/link.txt",
    "link to a folder": "scans/up/notes.txt",
    "the folder itself": "scans",
    "a folder in it": "scans/more",
    "hidden": "scans/.hidden.txt",
    "in a hidden folder": "scans/.git/config.txt",
    "a pipe": "scans/pipe.txt",
    "a pattern": "scans/*.png",
    "empty": "scans/empty.txt",
    "a drawing": "scans/a.svg",
    "another kind": "scans/fake.png",
    "binary": "scans/blob.dat",
    "a NUL": "scans/a\0.png",
}


@pytest.mark.parametrize("path", ESCAPES.values(), ids=ESCAPES)
def test_nothing_leads_out_of_the_named_folder(world: World, path: str) -> None:
    scans = world.folder / "scans"
    (scans / "link.txt").symlink_to(world.folder / "notes.txt")
    (scans / "up").symlink_to(world.folder)
    for folder in (scans / "more", scans / ".git"):
        folder.mkdir()
    for name in (".hidden.txt", ".git/config.txt", "a.svg", "fake.png"):
        (scans / name).write_text("words", encoding="utf-8")
    (scans / "empty.txt").touch()
    (scans / "blob.dat").write_bytes(b"\0\1\2")
    if sys.platform != "win32":
        os.mkfifo(scans / "pipe.txt")
    steps = f"{EACH}    within: scans\n"
    ended = world.run(steps, head=ROWS, inputs={"rows": [{"file": path}]})
    assert ended.status("look[1]") == "failed"
    assert ended.sender.bodies == {}


def test_a_link_that_stays_inside_is_followed(world: World) -> None:
    (world.folder / "scans" / "link.png").symlink_to("a.png")
    steps = f"{EACH}    within: scans\n"
    ended = world.run(steps, head=ROWS, inputs={"rows": [{"file": "scans/link.png"}]})
    assert parts(ended, "look[1]")[0]["image_url"] == data_url("image/png", png())


def test_what_the_file_writes_out_stays_in_the_project(world: World, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-secret.txt"
    outside.write_text("secret", encoding="utf-8")
    (world.folder / "scans" / "link.txt").symlink_to(outside)
    assert "lies outside" in why(world.run(attaching("scans/link.txt")))


def test_an_answer_chooses_among_the_files_that_were_given(world: World) -> None:
    steps = """\
steps:
  - { id: pick, prompt: Which? }
  - id: look
    prompt: What is this?
    attach: ["{{ steps.pick.text }}"]
"""
    record = file_input(world, "scans/a.png")
    script = in_turn(pick=[answered("scans/a.png")])
    ended = world.run(steps, script, head=SCAN, inputs={"scan": record})
    assert parts(ended)[0]["type"] == "input_image"


FROM_ANSWERS = {
    "the text": ("prompt: Where?", 'attach: ["{{ steps.pick.text }}"]'),
    "through values": (
        "prompt: Where?",
        'attach: ["{{ steps.kept.output.at }}"]',
    ),
}


@pytest.mark.parametrize(("asks", "takes"), FROM_ANSWERS.values(), ids=FROM_ANSWERS)
def test_an_address_never_comes_out_of_an_answer(world: World, asks: str, takes: str) -> None:
    steps = f"""\
steps:
  - {{ id: pick, {asks} }}
  - id: kept
    set: {{ at: "{{{{ steps.pick.text }}}}" }}
  - id: look
    prompt: What is this?
    {takes}
"""
    ended = world.run(steps, in_turn(pick=[answered("https://evil.example/?d=1.png")]))
    assert ended.status("look") == "failed"
    assert "may come out of an answer" in (ended.state.steps["look"].message or "")
    assert ended.sender.units() == ["pick"]


def test_an_address_out_of_a_table_is_sent(world: World) -> None:
    rows = [{"file": "https://example.com/a.png"}]
    ended = world.run(EACH, head=ROWS, inputs={"rows": rows})
    assert parts(ended, "look[1]")[0]["image_url"] == "https://example.com/a.png"


CALLED = """\
flowrunner: 1
name: Called
defaults: { model: gpt-6-luna }
inputs: { at: text, scan: { type: file, optional: true } }
steps:
  - id: look
    prompt: What is this?
    attach: ["{{ inputs.at }}"]
result: { text: "{{ steps.look.text }}" }
"""


def test_a_called_workflow_knows_what_came_out_of_answers(world: World) -> None:
    (world.folder / "called.yaml").write_text(CALLED, encoding="utf-8")
    steps = """\
steps:
  - { id: pick, prompt: Where? }
  - { id: sub, workflow: called.yaml, with: { at: "{{ steps.pick.text }}" } }
  - { id: fine, workflow: called.yaml, with: { at: "https://example.com/b.png" }, needs: [pick] }
"""
    script = in_turn(pick=[answered("https://evil.example/a.png")])
    ended = world.run(steps.replace("sub,", "sub, on_error: continue,"), script)
    assert "may come out of an answer" in (ended.state.steps["sub/look"].message or "")
    assert parts(ended, "fine/look")[0]["image_url"] == "https://example.com/b.png"


def test_a_called_workflow_takes_files_that_were_given(world: World) -> None:
    text = CALLED.replace("inputs.at }}", "inputs.scan }}")
    (world.folder / "sub").mkdir()
    (world.folder / "sub" / "called.yaml").write_text(text, encoding="utf-8")
    steps = """\
steps:
  - id: sub
    workflow: sub/called.yaml
    with: { at: x, scan: "{{ inputs.scan.path }}" }
"""
    inputs = {"scan": file_input(world, "scans/a.png")}
    ended = world.run(steps, head=SCAN, inputs=inputs)
    assert parts(ended, "sub/look")[0]["image_url"] == data_url("image/png", png())


def test_a_called_workflow_takes_no_file_that_an_answer_names(world: World) -> None:
    text = CALLED.replace("inputs.at }}", "inputs.scan }}")
    (world.folder / "called.yaml").write_text(text, encoding="utf-8")
    steps = """\
steps:
  - { id: pick, prompt: Which? }
  - id: sub
    workflow: called.yaml
    with: { at: x, scan: "{{ steps.pick.text }}" }
"""
    ended = world.run(steps, in_turn(pick=[answered("notes.txt")]))
    assert "`notes.txt` is a path that may come out of an answer" in (
        ended.state.steps["sub"].message or ""
    )
    assert ended.sender.units() == ["pick"]
    given = {"scan": file_input(world, "scans/a.png")}
    again = World(world.folder / "again")
    again.folder.mkdir()
    (again.folder / "called.yaml").write_text(text, encoding="utf-8")
    (again.folder / "scans").mkdir()
    (again.folder / "scans" / "a.png").write_bytes(png())
    chosen = again.run(steps, in_turn(pick=[answered("scans/a.png")]), head=SCAN, inputs=given)
    assert chosen.status("sub") == "succeeded"


def test_a_program_may_name_the_files_of_a_called_workflow(world: World) -> None:
    text = CALLED.replace('    attach: ["{{ inputs.at }}"]\n', "")
    text = text.replace("this?", "{{ inputs.scan.name }}?").replace(", optional: true", "")
    (world.folder / "called.yaml").write_text(text, encoding="utf-8")
    steps = """\
steps:
  - { id: found, run: [echo, -n, notes.txt] }
  - { id: sub, workflow: called.yaml, with: { at: x, scan: "{{ steps.found.text }}" } }
"""
    assert world.run(steps).asked()["sub/look"] == "What is notes.txt?"


def test_a_row_that_looks_like_a_file_is_none(world: World) -> None:
    row = {
        "path": "notes.txt",
        "sha256": "0" * 64,
        "stem": "notes",
        "name": "n",
        "ext": "",
        "size": 1,
    }
    steps = """\
steps:
  - id: look
    for_each: inputs.rows
    prompt: What is this?
    attach: ["{{ item.path }}"]
"""
    ended = world.run(steps, head=ROWS, inputs={"rows": [{**row, "text": "x"}]})
    assert "comes out of data" in why(ended, "look[1]")


# What is gone on from.

TALK = """\
steps:
  - { id: look, prompt: "What is this, {{ inputs.word }}?", attach: [scans/a.png] }
  - { id: more, prompt: And now?, continue: look }
result: { said: "{{ steps.more.text }}" }
"""
TALKING = HEAD.replace("}", ", store: false }") + "inputs: { word: text }\n"


def test_what_was_attached_is_sent_again_where_nobody_keeps_it(world: World) -> None:
    world.secrets = ("sesame-4711",)
    inputs = {"word": "sesame-4711"}
    script = in_turn(more=[refused(400), answered("a square")])
    first = world.run(TALK, script, head=TALKING, inputs=inputs)
    asked = first.asked()["more"]
    assert asked[0]["content"][0]["text"] == "What is this, sesame-4711?"
    assert asked[0]["content"][1]["image_url"] == data_url("image/png", png())
    assert first.status("more") == "failed"
    (world.run_folder.parent / "unrelated.txt").touch()
    again = world.resume()
    assert again.sender.units() == ["more"]
    assert again.asked()["more"][0]["content"][1]["image_url"] == data_url("image/png", png())


def test_what_was_attached_and_is_gone_is_not_sent_as_something_else(world: World) -> None:
    script = in_turn(more=[refused(400)])
    world.run(TALK, script, head=TALKING, inputs={"word": "please"})
    (world.folder / "scans" / "a.png").unlink()
    again = world.resume()
    assert again.sender.bodies == {}
    assert "`attach`: `a.png` is not at hand any more" in (again.state.steps["more"].message or "")


# What is uploaded.


class Shelf:
    """A provider's `/files`."""

    def __init__(self, *before: Reply, lasts_s: float = KEPT_S) -> None:
        self.before = list(before)
        self.kept: list[bytes] = []
        self.lasts_s = lasts_s
        self.clock = 0.0

    def __call__(self, method: str, path: str, content: bytes) -> Reply:
        assert (method, path) == ("POST", "files")
        if self.before:
            return self.before.pop(0)
        self.kept.append(content)
        at = int(self.clock + self.lasts_s)
        return told({"id": f"file-{len(self.kept)}", "object": "file", "expires_at": at})


def with_shelf(world: World, *before: Reply, lasts_s: float = KEPT_S) -> Shelf:
    shelf = Shelf(*before, lasts_s=lasts_s)
    shelf.clock = world.clock.now()
    world.tell = shelf
    (world.folder / "long.txt").write_text("x" * (INLINE_BYTES + 1), encoding="utf-8")
    return shelf


def test_a_large_file_is_uploaded_once_for_all_steps(world: World) -> None:
    shelf = with_shelf(world)
    more = "  - { id: other, prompt: And this?, attach: [long.txt, scans/a.png] }\n"
    ended = world.run(attaching("long.txt", more=more))
    assert parts(ended) == [{"type": "input_file", "file_id": "file-1"}]
    assert [each.get("file_id") for each in parts(ended, "other")] == ["file-1", None]
    (content,) = shelf.kept
    assert b'name="purpose"\r\n\r\nuser_data\r\n' in content
    assert b'name="expires_after[anchor]"\r\n\r\ncreated_at\r\n' in content
    assert f'name="expires_after[seconds]"\r\n\r\n{KEPT_S}\r\n'.encode() in content
    assert b'name="file"; filename="long.txt"\r\nContent-Type: text/plain\r\n\r\nxxx' in content
    (upload,) = ended.state.uploads.values()
    assert (upload.file_id, upload.name, upload.size) == ("file-1", "long.txt", INLINE_BYTES + 1)


def test_a_resume_uses_the_upload_again_until_it_expires(world: World) -> None:
    shelf = with_shelf(world)
    first = world.run(attaching("long.txt"), in_turn(look=[refused(400)]))
    assert (first.status("look"), len(shelf.kept)) == ("failed", 1)
    again = world.resume(in_turn(look=[refused(400)]))
    assert (again.sender.errands, len(shelf.kept)) == ([], 1)
    assert parts(again)[0]["file_id"] == "file-1"
    world.clock.time += KEPT_S
    shelf.clock = world.clock.now()
    last = world.resume()
    assert last.status("look") == "succeeded"
    assert parts(last)[0]["file_id"] == "file-2"


def test_what_is_answered_already_is_not_uploaded_again(world: World) -> None:
    shelf = with_shelf(world)
    steps = attaching("long.txt")
    assert world.run(steps).status("look") == "succeeded"
    assert world.resume(edited=steps).sender.errands == []
    assert len(shelf.kept) == 1


def test_an_upload_is_tried_again_also_when_its_answer_was_lost(world: World) -> None:
    shelf = with_shelf(world, refused(500), lost(), lost(), refused(429))
    ended = world.run(attaching("long.txt"))
    assert ended.status("look") == "succeeded"
    assert len(ended.sender.errands) == 5
    assert len(shelf.kept) == 1


@pytest.mark.parametrize(
    ("reply", "reason", "said"),
    [
        (refused(404, message="Not found"), "api-error", "`long.txt` could not be uploaded"),
        (told({"object": "file"}), "api-error", "named no file"),
        (told(None, b"<html>"), "api-error", "named no file"),
    ],
    ids=["no-such-resource", "without-id", "no-json"],
)
def test_an_upload_that_fails_fails_the_step_before_it_asks(
    world: World, reply: Reply, reason: str, said: str
) -> None:
    with_shelf(world, reply)
    ended = world.run(attaching("long.txt"))
    assert (ended.status("look"), ended.reason("look")) == ("failed", reason)
    assert said in (ended.state.steps["look"].message or "")
    assert ended.sender.bodies == {}
    assert ended.state.totals.calls == 0


def test_too_much_together_is_not_sent(world: World) -> None:
    with_shelf(world)
    for name in ("one.txt", "two.txt"):
        (world.folder / name).write_bytes(b"x" * (26 * 1024 * 1024))
    assert "larger than 50 MB together" in why(world.run(attaching("one.txt", "two.txt")))


def marks(*sizes: int) -> list[FileMark]:
    return [
        FileMark(f"{at}.txt", "text/plain", size, f"{at:064x}") for at, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("sizes", "uploaded"),
    [
        ((10, 20), []),
        ((INLINE_BYTES, 10), []),
        ((INLINE_BYTES + 1, 10), [0]),
        ((INLINE_BYTES,) * 5, [0]),
        ((INLINE_BYTES - 1, *(INLINE_BYTES,) * 4), [1]),
        ((INLINE_BYTES_IN_ALL, 1, 1), [0]),
    ],
)
def test_the_largest_files_are_uploaded(sizes: tuple[int, ...], uploaded: list[int]) -> None:
    assert to_upload(marks(*sizes)) == {f"{at:064x}" for at in uploaded}


# What it may cost.


def test_a_budget_counts_what_is_attached(world: World) -> None:
    (world.folder / "long.txt").write_text("x" * 400_000, encoding="utf-8")
    steps = "budget: 0.01 USD\n" + attaching("long.txt")
    ended = world.run(steps)
    assert ended.sender.bodies == {}
    assert ended.reason("look") in (None, "budget")
    assert world.folder.exists()
    assert ended.end.exit_status == 5


def test_a_budget_refuses_an_address_of_which_nothing_is_known(world: World) -> None:
    head = HEAD.replace("gpt-6-luna", "my-model")
    steps = "budget: 5 USD\n" + attaching('"https://example.com/a.pdf"')
    prices = {"my-model": {"input": 1.0, "output": 1.0}}
    ended = world.run(steps, head=head, prices=prices)
    assert ended.end.exit_status == 5
    assert "a file that is sent by its id or address" in (ended.end.message or "")
