"""Which environment variables a project file may name as keys, and to which hosts those may go.

A project file comes with a repository, perhaps a stranger's: it must not send a key of the person
who runs it to a host of its own choice. Keys themselves are checked in `credentials`.
"""

from __future__ import annotations

import re

from flowrunner.project.credentials import is_loopback

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_ENDINGS = ("KEY", "TOKEN")

# Variables that many machines have, each with the hosts that are its own.
_OWN_HOSTS = {
    "OPENAI_API_KEY": ("api.openai.com",),
    "AZURE_OPENAI_API_KEY": (
        "openai.azure.com",
        "openai.azure.us",
        "cognitiveservices.azure.com",
        "services.ai.azure.com",
        "azure-api.net",
    ),
    "ANTHROPIC_API_KEY": ("anthropic.com",),
    "DEEPSEEK_API_KEY": ("deepseek.com",),
    "FIREWORKS_API_KEY": ("fireworks.ai",),
    "GEMINI_API_KEY": ("googleapis.com",),
    "GOOGLE_API_KEY": ("googleapis.com",),
    "GROQ_API_KEY": ("groq.com",),
    "HF_TOKEN": ("huggingface.co", "huggingface.cloud"),
    "MISTRAL_API_KEY": ("mistral.ai",),
    "OPENROUTER_API_KEY": ("openrouter.ai",),
    "TOGETHER_API_KEY": ("together.xyz", "together.ai"),
    "XAI_API_KEY": ("x.ai",),
}
_NEVER = re.compile(
    r"OPENAI_ADMIN_KEY|(?:AWS|BITBUCKET|CARGO|CI|DOCKER|GH|GIT|GITHUB|GITLAB|NPM|PYPI|SLACK|SSH"
    r"|STRIPE|TWINE|VAULT)_.*"
)


def key_name_fault(name: str, host: str) -> str | None:
    """Why a variable cannot be named as the key for a host, or None.

    A text that is no name of a variable is not repeated: people write the key itself there.
    """
    if not _NAME.fullmatch(name):
        return "must be the name of an environment variable in capital letters, not the key itself"
    if not name.endswith(_ENDINGS):
        return f"must be a variable whose name ends in `_KEY` or `_TOKEN`, found `{name}`"
    if _NEVER.fullmatch(name):
        return f"cannot be `{name}`, which belongs to something else"
    own = _OWN_HOSTS.get(name)
    if own is None or is_loopback(host) or any(_is_at(host.lower(), each) for each in own):
        return None
    return f"cannot be `{name}`, which is sent to `{own[0]}` only"


def _is_at(host: str, own: str) -> bool:
    return host == own or host.endswith(f".{own}")
