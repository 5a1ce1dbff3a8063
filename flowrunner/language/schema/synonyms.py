"""What people who know other tools call a key of the language, and where keys stand.

Only for suggestions: none of these words is ever accepted.
"""

from __future__ import annotations

MEANT = {
    "agent": "prompt",
    "cmd": "run",
    "command": "run",
    "condition": "if",
    "continue_on_error": "on_error",
    "depends": "needs",
    "depends_on": "needs",
    "desc": "describe",
    "else": "otherwise",
    "exec": "run",
    "foreach": "for_each",
    "functions": "tools",
    "ignore_errors": "on_error",
    "items": "for_each",
    "json_schema": "schema",
    "loop": "for_each",
    "map": "for_each",
    "max_completion_tokens": "max_output_tokens",
    "max_retries": "retry",
    "max_tokens": "max_output_tokens",
    "max_workers": "at_once",
    "message": "prompt",
    "messages": "input",
    "model_name": "model",
    "over": "for_each",
    "parallel": "at_once",
    "question": "prompt",
    "reasoning_effort": "reasoning",
    "response_format": "output",
    "retries": "retry",
    "save": "save_to",
    "script": "run",
    "shell": "run",
    "stdout": "save_to",
    "switch": "branch",
    "system": "instructions",
    "system_message": "instructions",
    "system_prompt": "instructions",
    "template": "write",
    "title": "name",
    "user_prompt": "prompt",
    "vars": "set",
    "version": "flowrunner",
    "when": "if",
    "while": "repeat",
    "with_items": "for_each",
}
"""Words of other tools, each with the key that means it here."""

OPERATOR_ONLY = frozenset(
    {"api_base", "api_key", "authorization", "base_url", "headers", "key_env", "proxy", "url"}
)
"""Keys that no workflow file may set, since it may come from others."""

KEYS_THEMSELVES = frozenset({"api_key", "authorization", "key", "secret", "token"})
"""Keys under which people write a secret, which no file of ours holds."""
