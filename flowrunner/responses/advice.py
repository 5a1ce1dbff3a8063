"""What to do about a response that is no good answer, by the reason that the API gives for it.

What to do about a request that was refused is left to `refusals`.
"""

from __future__ import annotations

from flowrunner.responses.items import Answer

_ACCEPT = ", then `flowrunner resume --accept-changes`"
_POLICY = f"the provider's rules do not allow this: change what the prompt asks for{_ACCEPT}"
_PICTURE = f"give a picture that the API can read: check its address, kind and size{_ACCEPT}"

_BY_KIND = {
    "incomplete": "raise `max_output_tokens`, or ask for less",
    "refused": "look at the refusal and change the prompt; `retry: { attempts: 2, on: [refusal] }` "
    "asks again",
    "open-calls": "take the tool out of `tools`: this version answers no tool calls",
    "pending": "the server answers later although nobody asked for that; `delivery: background` "
    "waits for it",
    "cancelled": "`flowrunner resume` asks again",
    "empty": "the server may have passed over something that it does not know: say in "
    "`flowrunner.yaml` which `kind` of server it is, or what it `supports`",
}
_BY_REASON = {
    "content_filter": "a filter of the provider cut the answer off: change what the prompt asks "
    f"for{_ACCEPT}",
    "max_messages": "ask for less in one step",
    "steered": "run the step again with `flowrunner resume`",
    "context_length_exceeded": f"shorten the input or choose a model with a larger window{_ACCEPT}",
    "data_residency_mismatch": "set the base URL to the region of the project, then start a new "
    "run",
    "rate_limit_exceeded": "`flowrunner resume` later: finished steps are kept",
    "server_error": "`flowrunner resume` later: finished steps are kept and not paid for again",
    "vector_store_timeout": "`flowrunner resume` later: finished steps are kept",
    "invalid_prompt": _POLICY,
    "bio_policy": _POLICY,
    "misalignment_policy_violation": _POLICY,
    "unknown-status": "what the server sent is in `flowrunner show`; tell whoever runs it",
}


def advice(answer: Answer) -> str | None:
    """What a person can do about an answer that cannot be used; None where nobody knows."""
    if answer.reason in _BY_REASON:
        return _BY_REASON[answer.reason]
    if answer.reason is not None and "image" in answer.reason:
        return _PICTURE
    return _BY_KIND.get(answer.kind)
