"""Files of the simulated API: uploaded, given to a model, made in containers, gone in time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.state.files import Files, StoredFile
from flowrunner.simulator.state.multipart import read_form
from tests.simulator_talk import NOW, Talk, only

TYPE = "multipart/form-data; boundary=here"
CODE = {"type": "code_interpreter", "container": {"type": "auto"}}


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    shown = f'; filename="{filename}"' if filename is not None else ""
    return f'--here\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode() + (
        content + b"\r\n"
    )


def form(content: bytes = b"hello", **fields: str) -> bytes:
    parts = [part("file", content, "a.txt")]
    parts += [part(name, value.encode()) for name, value in fields.items()]
    return b"".join(parts) + b"--here--\r\n"


def upload(talk: Talk, content: bytes = b"hello", **fields: str) -> dict[str, Any]:
    status, value = sent(talk, form(content, **({"purpose": "user_data"} | fields)))
    assert status == 200, value
    return value


def sent(talk: Talk, content: bytes, content_type: str = TYPE) -> tuple[int, dict[str, Any]]:
    reply = talk.deliver("POST", "files", content, content_type=content_type).reply
    assert reply is not None
    return reply.status, json.loads(reply.content)


# ---- uploads ------------------------------------------------------------------------------------


def test_a_file_is_uploaded_shown_downloaded_and_removed() -> None:
    talk = Talk()
    content = b"\r\n--her\r\n\x00\xff\r\n"
    file = upload(talk, content)
    assert file == {
        "id": file["id"],
        "object": "file",
        "bytes": len(content),
        "created_at": NOW,
        "filename": "a.txt",
        "purpose": "user_data",
        "status": "processed",
    }
    assert file["id"].startswith("file-")
    assert talk.get(f"files/{file['id']}") == file
    reply = talk.deliver("GET", f"files/{file['id']}/content").reply
    assert reply is not None
    assert reply.content == content
    assert dict(reply.headers)["content-type"] == "application/octet-stream"
    deleted = talk.send("DELETE", f"files/{file['id']}")
    assert deleted == (200, {"id": file["id"], "object": "file", "deleted": True})
    for method in ("GET", "DELETE"):
        status, value = talk.send(method, f"files/{file['id']}")
        assert (status, value["error"]["message"]) == (404, f"No such File object: {file['id']}")


def test_files_are_listed_by_purpose_and_page() -> None:
    talk = Talk()
    ids = [upload(talk, str(number).encode())["id"] for number in range(3)]
    seen = upload(talk, purpose="vision")["id"]
    assert [file["id"] for file in talk.get("files")["data"]] == [seen, *reversed(ids)]
    assert [file["id"] for file in talk.get("files?purpose=vision")["data"]] == [seen]
    page = talk.get(f"files?order=asc&limit=2&after={ids[0]}")
    assert [file["id"] for file in page["data"]] == ids[1:]
    assert page["has_more"] is True


def test_a_file_is_gone_when_it_expires() -> None:
    talk = Talk()
    life = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = upload(talk, **life)
    assert file["expires_at"] == NOW + 3600
    talk.now += 3_599
    talk.get(f"files/{file['id']}")
    talk.now += 1
    assert talk.send("GET", f"files/{file['id']}")[0] == 404
    assert talk.get("files")["data"] == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "purpose"),
        ({"purpose": "fun"}, "purpose"),
        ({"purpose": "batch", "colour": "red"}, "colour"),
        ({"purpose": "batch", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"purpose": "batch", "expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        (
            {"purpose": "batch", "expires_after[anchor]": "created_at"}
            | {"expires_after[seconds]": "60"},
            "expires_after.seconds",
        ),
        (
            {"purpose": "batch", "expires_after[anchor]": "created_at"}
            | {"expires_after[seconds]": "2592001"},
            "expires_after.seconds",
        ),
    ],
    ids=str,
)
def test_an_upload_that_says_the_wrong_thing_is_refused(fields: dict[str, str], param: str) -> None:
    status, value = sent(Talk(), form(**fields))
    assert (status, value["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"purpose": "batch"}', "application/json"),
        (form(purpose="batch"), "multipart/form-data"),
        (form(purpose="batch"), "multipart/form-data; boundary=there"),
        (form(purpose="batch")[:-6], TYPE),
        (b"--here\r\nContent-Disposition: form-data\r\n\r\nx\r\n--here--\r\n", TYPE),
        (part("purpose", b"batch") + part("file", b"no name") + b"--here--", TYPE),
        (b"", TYPE),
    ],
    ids=["json", "no boundary", "other boundary", "cut", "nameless", "no file", "empty"],
)
def test_what_is_no_form_with_a_file_is_refused(content: bytes, content_type: str) -> None:
    status, value = sent(Talk(), content, content_type)
    assert (status, value["error"]["type"]) == (400, "invalid_request_error")


def test_a_form_is_taken_apart_with_its_line_ends() -> None:
    content = b"\r\n\r\n--her\r\n"
    fields = read_form(TYPE, form(content, purpose="batch"))
    assert fields["purpose"].content == b"batch"
    assert (fields["file"].filename, fields["file"].content) == ("a.txt", content)


def test_files_past_a_gigabyte_go_the_oldest_first() -> None:
    files = Files(lambda: NOW)
    big = bytes(400 * 1024 * 1024)
    for number in range(3):
        files.add(StoredFile(f"file-{number}", "a", "vision", 0, big))
    assert files.find("file-0") is None
    with pytest.raises(Refusal):
        files.get("file-0")
    assert [file.id for file in files] == ["file-1", "file-2"]


# ---- given to a model ---------------------------------------------------------------------------


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": list(parts)}]}


def test_a_file_is_given_by_its_id_while_it_is_there() -> None:
    talk = Talk()
    file = upload(talk)
    for kind in ("input_file", "input_image"):
        given = user({"type": kind, "file_id": file["id"]})
        assert talk.create(**given)["usage"]["input_tokens"] > 1_000
    talk.send("DELETE", f"files/{file['id']}")
    status, error = talk.refused(**user({"type": "input_file", "file_id": file["id"]}))
    assert (status, error["param"]) == (400, "input[0].content[0].file_id")
    assert f"'{file['id']}' not found" in error["message"]


@pytest.mark.parametrize(
    "given",
    [
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,AAAA",
        },
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
        {"type": "input_image", "image_url": "data:image/webp;base64,AAAA"},
    ],
    ids=str,
)
def test_files_and_images_are_given_as_they_are(given: dict[str, Any]) -> None:
    Talk().create(**user(given))


@pytest.mark.parametrize(
    ("given", "param", "message"),
    [
        ({"type": "input_file", "file_data": "data:a/b;base64,AA"}, "filename", "Missing required"),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "JVBERi0="},
            "file_data",
            "Expected a base64-encoded data URL with a MIME type",
        ),
        (
            {"type": "input_file", "filename": "a", "file_data": "data:a/b;base64,"},
            "file_data",
            "empty base64-encoded bytes",
        ),
        ({"type": "input_file", "filename": "a.pdf"}, "file_id", "Missing required"),
        ({"type": "input_image"}, "image_url", "Missing required"),
        ({"type": "input_image", "image_url": "a.png"}, "image_url", "Expected a valid URL"),
        (
            {"type": "input_image", "image_url": "data:application/pdf;base64,AA"},
            "image_url",
            "unsupported MIME type 'application/pdf'",
        ),
        (
            {"type": "input_image", "image_url": "data:image/png;base64,"},
            "image_url",
            "empty base64-encoded bytes",
        ),
        (
            {"type": "input_image", "image_url": "data:image/png,AA"},
            "image_url",
            "an invalid base64-encoded value",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused(given: dict[str, Any], param: str, message: str) -> None:
    status, error = Talk().refused(**user(given))
    assert (status, error["param"]) == (400, f"input[0].content[0].{param}")
    assert message in error["message"]


def test_files_in_the_output_of_a_function_are_looked_at_too() -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    raw = {"type": "input_file", "filename": "a.pdf", "file_data": "JVBERi0="}
    reply = {"type": "function_call_output", "call_id": "call_1", "output": [raw]}
    _, error = Talk().refused(input=[call, reply])
    assert error["param"] == "input[1].output[0].file_data"


def test_files_of_a_container_must_be_there() -> None:
    tool = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-0"]}}
    _, error = Talk().refused(tools=[tool])
    assert error["param"] == "tools[0].container.file_ids[0]"
    talk = Talk()
    tool["container"] = {"type": "auto", "file_ids": [upload(talk)["id"]]}
    talk.create(tools=[tool])


# ---- containers ---------------------------------------------------------------------------------


def cited(response: dict[str, Any]) -> str:
    (note,) = only(response, "message")["content"][0]["annotations"]
    return f"containers/{note['container_id']}/files/{note['file_id']}"


def test_a_file_that_code_made_is_downloaded_from_its_container() -> None:
    talk = Talk()
    path = cited(talk.create(tools=[CODE]))
    file = talk.get(path)
    assert (file["object"], file["path"]) == ("container.file", "/mnt/data/simulated.csv")
    reply = talk.deliver("GET", f"{path}/content").reply
    assert reply is not None
    assert len(reply.content) == file["bytes"]
    assert b"simulated.csv" in reply.content
    assert talk.get(path.rpartition("/")[0])["data"] == [file]


def test_a_container_is_gone_when_nobody_uses_it() -> None:
    talk = Talk()
    path = cited(talk.create(tools=[CODE]))
    talk.now += 1_199
    talk.get(path)
    talk.now += 1_200
    status, value = talk.send("GET", path)
    assert (status, value["error"]["message"]) == (404, "Container is expired.")
    assert talk.send("GET", "containers/cntr_0/files")[0] == 404


def test_a_container_that_is_gone_spoils_what_names_it() -> None:
    talk = Talk()
    output = talk.create(tools=[CODE])["output"]
    user = {"role": "user", "content": "more"}
    talk.create(input=[*output, user])
    talk.now += 1_200
    _, error = talk.refused(input=[*output, user])
    assert error["message"] == "Container is expired."
    tool = {"type": "code_interpreter", "container": output[1]["container_id"]}
    assert talk.refused(tools=[tool])[0] == 400
    talk.create(tools=[CODE])


def test_a_file_that_no_code_made_is_not_found() -> None:
    talk = Talk()
    path = cited(talk.create(tools=[CODE]))
    assert talk.send("GET", f"{path}0")[0] == 404


def test_a_scripted_citation_can_be_downloaded_too() -> None:
    note = {
        "type": "container_file_citation",
        "container_id": "cntr_1",
        "file_id": "cfile_1",
        "filename": "plot.png",
        "start_index": 0,
        "end_index": 1,
    }
    content = [{"type": "output_text", "text": "x", "annotations": [note], "logprobs": []}]
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    talk = Talk(replies=lambda _: {"output": [{**message, "content": content}]})
    assert talk.get(cited(talk.create()))["path"] == "/mnt/data/plot.png"
