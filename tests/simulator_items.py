"""One output item of each type, as the API gives them, for tests of what tells of items."""

from __future__ import annotations

from typing import Any

TEXT = {"type": "output_text", "text": "It rains in Bonn.", "annotations": [], "logprobs": []}
CITED = {
    **TEXT,
    "annotations": [
        {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
    ],
    "logprobs": [{"token": "It", "bytes": [73, 116], "logprob": -0.1, "top_logprobs": []}],
}
ITEMS: dict[str, dict[str, Any]] = {
    "message": {"role": "assistant", "status": "completed", "content": [CITED, TEXT]},
    "reasoning": {
        "summary": [{"type": "summary_text", "text": "Thinking of rain."}] * 2,
        "content": [{"type": "reasoning_text", "text": "Rain, rain, rain."}],
        "encrypted_content": "gAAAA" + "x" * 50,
        "status": "completed",
    },
    "function_call": {
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{"city": "Bonn", "days": 3}',
        "status": "completed",
    },
    "custom_tool_call": {"call_id": "call_1", "name": "sql", "input": "select 1 from rain"},
    "mcp_call": {
        "server_label": "s",
        "name": "f",
        "arguments": '{"a": 1}',
        "output": "done",
        "error": None,
        "status": "completed",
    },
    "mcp_list_tools": {"server_label": "s", "tools": [{"name": "f", "input_schema": {}}]},
    "mcp_approval_request": {"server_label": "s", "name": "f", "arguments": "{}"},
    "web_search_call": {
        "status": "completed",
        "action": {"type": "search", "query": "rain", "queries": ["rain"]},
    },
    "file_search_call": {
        "status": "completed",
        "queries": ["rain"],
        "results": [{"file_id": "file-1", "text": "rain", "filename": "a.txt", "score": 0.5}],
    },
    "code_interpreter_call": {
        "status": "completed",
        "container_id": "cntr_1",
        "code": "print('rain')\nprint(1 + 1)",
        "outputs": [{"type": "logs", "logs": "rain\n2"}],
    },
    "image_generation_call": {
        "status": "completed",
        "result": "iVBORw0KGgo=",
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "png",
    },
    "shell_call": {
        "call_id": "call_1",
        "action": {"commands": ["ls -l", "pwd"], "timeout_ms": None, "max_output_length": None},
        "status": "completed",
        "environment": None,
    },
    "shell_call_output": {
        "call_id": "call_1",
        "status": "completed",
        "output": [
            {"stdout": "a.txt", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
            {"stdout": "", "stderr": "no", "outcome": {"type": "timeout"}},
        ],
        "max_output_length": None,
    },
    "local_shell_call": {
        "call_id": "call_1",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
        "status": "completed",
    },
    "computer_call": {
        "call_id": "call_1",
        "action": {"type": "click", "button": "left", "x": 1, "y": 2},
        "pending_safety_checks": [],
        "status": "completed",
    },
    "apply_patch_call": {
        "call_id": "call_1",
        "status": "completed",
        "operation": {"type": "delete_file", "path": "a.txt"},
    },
    "tool_search_call": {
        "call_id": None,
        "execution": "server",
        "arguments": {"query": "rain"},
        "status": "completed",
    },
    "tool_search_output": {
        "call_id": None,
        "execution": "server",
        "tools": [],
        "status": "completed",
    },
    "program": {"call_id": "call_1", "code": "1", "fingerprint": "f"},
    "program_output": {"call_id": "call_1", "result": "1", "status": "completed"},
    "compaction": {"encrypted_content": "gAAAA"},
}


def item(kind: str, **fields: Any) -> dict[str, Any]:
    """An item of a type, with some of its fields replaced."""
    return {"type": kind, "id": f"{kind}_1", **ITEMS[kind], **fields}
