"""Several providers in one run: where each step's requests go, whose key goes with them, what of
it is told. Every server is a simulator on a socket of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from wire_server import RawServer, reply

from flowrunner.journal.journal import Journal
from flowrunner.simulator import Simulator
from tests.cli_world import KEY, Done, Project, check_books, posts

HEAD = "flowrunner: 1\nname: Two servers\n"
FLOW = HEAD + (
    "defaults: { model: gpt-6-luna }\n"
    "steps:\n"
    "  - { id: here, prompt: Write about the sea }\n"
    '  - { id: there, provider: other, prompt: "Shorter: {{ steps.here.text }}" }\n'
    "  - { id: again, provider: other, prompt: Something else }\n"
)
OTHER_KEY = "other-0815-4711-fedcba"
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-6-luna",
    "output": [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "yes"}],
        }
    ],
}


@pytest.fixture
def other(simulate: Callable[..., Simulator]) -> Simulator:
    return simulate()


@pytest.fixture
def two(project: Project, simulator: Simulator, other: Simulator) -> Project:
    """A project whose default provider is one server and whose `other` is a second one."""
    project.write(
        "flowrunner.yaml",
        f"providers:\n  other: {{ base_url: {other.base_url}, key_env: OTHER_KEY }}\n",
    )
    project.write("flow.yaml", FLOW)
    project.at(simulator)
    project.environ["OTHER_KEY"] = OTHER_KEY
    return project


def asked(simulator: Simulator) -> list[str]:
    """The steps whose requests a server saw."""
    return [str(call.client_request_id).split("/")[1] for call in posts(simulator)]


def test_each_step_goes_to_its_own_provider(
    two: Project, simulator: Simulator, other: Simulator
) -> None:
    done = two.run("run", "flow.yaml")
    assert done.status == 0, done.err
    assert asked(simulator) == ["here"]
    assert sorted(asked(other)) == ["again", "there"]


def test_each_key_goes_to_its_own_host(project: Project) -> None:
    answer = reply(RESPONSE)
    with ExitStack() as servers:
        mine, azure = (
            servers.enter_context(RawServer(lambda peer, _: peer.send(answer))) for _ in "ab"
        )
        project.write(
            "flowrunner.yaml",
            f"providers:\n  other: {{ base_url: {azure.url}/openai/v1, key_env: OTHER_KEY, "
            "auth: api-key }\n",
        )
        project.write("flow.yaml", FLOW)
        project.environ |= {"OPENAI_BASE_URL": f"{mine.url}/v1", "OPENAI_API_KEY": KEY}
        assert project.run("run", "flow.yaml", environ={"OTHER_KEY": OTHER_KEY}).status == 0
    (first,) = mine.requests
    assert first.headers["authorization"] == f"Bearer {KEY}"
    for request in azure.requests:
        assert request.path == "/openai/v1/responses"
        assert request.headers["api-key"] == OTHER_KEY
        assert "authorization" not in request.headers
    assert len(azure.requests) == 2


def test_where_a_step_went_is_told(two: Project, other: Simulator) -> None:
    done = two.run("run", "flow.yaml")
    assert "openai, other" in done.err
    run = two.latest
    assert run.report["run"]["others"] == {"other": other.base_url}
    asked = {name: run.step(name)["numbers"]["provider"] for name in ("here", "there", "again")}
    assert asked == {"here": None, "there": "other", "again": "other"}
    assert "provider: other" in two.run("show", "latest", "there").out
    assert "provider:" not in two.run("show", "latest", "here").out
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "Provider other" in page
    with Journal.open(run.folder) as journal:
        journal.verify()


ORDERS = {
    "the file where nobody else speaks": (FLOW, (), {}, "other"),
    "the step before the defaults": (
        HEAD + "defaults: { model: gpt-6-luna, provider: openai }\n"
        "steps: [{ id: there, provider: other, prompt: x }]\n",
        (),
        {},
        "other",
    ),
    "the defaults before the project": (
        HEAD + "defaults: { model: gpt-6-luna, provider: other }\n"
        "steps: [{ id: there, prompt: x }]\n",
        (),
        {},
        "other",
    ),
    "the environment before the file": (FLOW, (), {"FLOWRUNNER_PROVIDER": "openai"}, "openai"),
    "the command line before the environment": (
        HEAD + "defaults: { model: gpt-6-luna }\n"
        "steps: [{ id: there, provider: openai, prompt: x }]\n",
        ("--provider", "other"),
        {"FLOWRUNNER_PROVIDER": "openai"},
        "other",
    ),
}


@pytest.mark.parametrize(("flow", "words", "environ", "expected"), ORDERS.values(), ids=ORDERS)
def test_who_decides_about_the_provider(
    two: Project,
    simulator: Simulator,
    other: Simulator,
    flow: str,
    words: tuple[str, ...],
    environ: dict[str, str],
    expected: str,
) -> None:
    two.write("flow.yaml", flow)
    done = two.run("run", "flow.yaml", *words, environ=environ)
    assert done.status == 0, done.err
    seen = {"openai": asked(simulator), "other": asked(other)}
    assert "there" in seen.pop(expected)
    assert "there" not in next(iter(seen.values()))


def test_all_keys_are_checked_before_anything_is_sent(two: Project, simulator: Simulator) -> None:
    two.environ["OPENAI_API_KEY"] = f"{KEY} "
    two.environ["OTHER_KEY"] = f'"{OTHER_KEY}"'
    done = two.run("run", "flow.yaml")
    assert done.status == 4
    assert "`OPENAI_API_KEY`" in done.err
    assert "`OTHER_KEY`" in done.err
    assert OTHER_KEY not in done.err
    assert not posts(simulator)
    assert not two.runs


def test_a_key_that_no_step_needs_is_not_asked_for(two: Project, other: Simulator) -> None:
    two.write("flow.yaml", FLOW.replace("id: here,", "id: here, provider: other,"))
    del two.environ["OPENAI_API_KEY"]
    two.environ["OPENAI_BASE_URL"] = ""
    done = two.run("run", "flow.yaml")
    assert done.status == 0, done.err
    assert len(posts(other)) == 3


def test_a_workflow_without_prompts_needs_no_key(project: Project) -> None:
    project.write("flow.yaml", HEAD + "steps: [{ id: a, write: hello }]\n")
    assert project.run("run", "flow.yaml").status == 0


def test_a_provider_of_the_command_line_that_nobody_declared(two: Project) -> None:
    for command in ("run", "plan"):
        done = two.run(command, "flow.yaml", "--provider", "othr")
        assert done.status == 2
        assert "there is no provider `othr`: did you mean `other`?" in done.err


def test_validate_reads_the_project_file(two: Project) -> None:
    two.write("flow.yaml", FLOW.replace("provider: other", "provider: othr"))
    done = two.run("validate", "flow.yaml")
    assert done.status == 3
    assert "flow.yaml:6:28: error[unknown-provider]: there is no provider `othr`" in done.out
    two.write("flowrunner.yaml", "provider: nobody\nproviders: { other: { } }\n")
    done = two.run("validate", "flow.yaml", "--format", "concise")
    assert done.status == 3
    assert [line.partition(" ")[0] for line in done.out.splitlines()] == [
        "flowrunner.yaml:1:11:",
        "flowrunner.yaml:2:14:",
    ]


def test_a_refused_key_is_named_after_the_provider_of_the_step(
    two: Project, simulate: Callable[..., Simulator]
) -> None:
    strict = simulate([{"do": {"status": 401, "error": {"code": "invalid_api_key"}}}])
    two.write(
        "flowrunner.yaml",
        f"providers:\n  other: {{ base_url: {strict.base_url}, key_env: OTHER_KEY }}\n",
    )
    done = two.run("run", "flow.yaml")
    assert done.status == 4
    assert "The provider `other` refused the key in `OTHER_KEY`" in done.err


def test_the_simulator_stands_for_every_provider(
    two: Project, simulator: Simulator, other: Simulator
) -> None:
    for name in ("OPENAI_API_KEY", "OTHER_KEY"):
        del two.environ[name]
    done = two.run("run", "flow.yaml", "--simulate")
    assert done.status == 0, done.err
    assert not posts(simulator)
    assert not posts(other)
    assert two.latest.report["run"]["provider"] == "simulator"
    assert two.latest.report["run"]["others"] == {}


def test_a_called_workflow_goes_where_its_caller_goes(
    two: Project, simulator: Simulator, other: Simulator
) -> None:
    two.write("sub.yaml", FLOW.replace("provider: other", "provider: openai"))
    two.write(
        "flow.yaml",
        HEAD + "defaults: { model: gpt-6-luna, provider: other }\n"
        "steps: [{ id: sub, workflow: sub.yaml }]\n",
    )
    done = two.run("run", "flow.yaml")
    assert done.status == 0, done.err
    assert "warning[provider-capped]" in done.err
    assert not posts(simulator)
    assert len(posts(other)) == 3
    two.write("flow.yaml", HEAD + "steps: [{ id: sub, workflow: sub.yaml }]\n")
    assert two.run("run", "flow.yaml").status == 0
    assert len(posts(simulator)) == 3, "a caller that names none holds nobody to one"


def test_a_run_goes_on_with_both_providers(
    two: Project, simulate: Callable[..., Simulator], simulator: Simulator
) -> None:
    failing = simulate([{"times": 1, "do": {"status": 400, "error": {"code": "nonsense"}}}])
    project_file = f"providers:\n  other: {{ base_url: {failing.base_url}, key_env: OTHER_KEY }}\n"
    two.write("flowrunner.yaml", project_file)
    assert two.run("run", "flow.yaml").status == 1
    two.write("flowrunner.yaml", project_file.replace(failing.base_url, "http://127.0.0.1:9/v1"))
    moved = two.run("resume")
    assert moved.status == 2
    assert f"the run began at {failing.base_url}" in moved.err
    assert "providers.other.base_url" in moved.err
    two.write("flowrunner.yaml", project_file)
    done = two.run("resume")
    assert done.status == 0, done.err
    assert asked(simulator) == ["here"]


def test_the_same_request_elsewhere_is_another_one(two: Project, other: Simulator) -> None:
    flow = HEAD + (
        "defaults: { model: gpt-6-luna }\n"
        "steps: [{ id: a, provider: PROVIDER, prompt: the same, reuse: true }]\n"
    )
    for provider, posted in (("openai", 0), ("other", 1), ("other", 1)):
        two.write("flow.yaml", flow.replace("PROVIDER", provider))
        assert two.run("run", "flow.yaml").status == 0
        assert len(posts(other)) == posted


def test_prices_of_a_provider_are_those_of_its_steps(two: Project, other: Simulator) -> None:
    two.write(
        "flowrunner.yaml",
        "prices: { gpt-6-luna: { input: 1, output: 1 } }\n"
        f"providers:\n  other: {{ base_url: {other.base_url}, key_env: OTHER_KEY,\n"
        "    prices: { gpt-6-luna: { input: 1000, output: 1000 } } }\n",
    )
    done = two.run("run", "flow.yaml")
    assert done.status == 0, done.err
    steps = {name: two.latest.step(name)["numbers"] for name in ("here", "there")}
    for name, price in (("here", 1), ("there", 1000)):
        tokens = steps[name]["tokens"]
        expected = (tokens["input"] + tokens["output"]) * price / 1_000_000
        assert steps[name]["cost_usd"] == pytest.approx(expected)


def test_the_plan_names_the_providers(two: Project) -> None:
    done = two.run("plan", "flow.yaml")
    assert "asked of the provider `other`: `there`, `again`" in done.out
    plan = json.loads(two.run("plan", "flow.yaml", "--json").out)
    assert [step["provider"] for step in plan["steps"]] == [None, "other", "other"]
    assert plan["provider"] == "openai"
    forced = json.loads(two.run("plan", "flow.yaml", "--json", "--provider", "other").out)
    assert {step["provider"] for step in forced["steps"]} == {None}
    assert forced["provider"] == "other"


def test_the_books_agree_with_each_server(
    two: Project, simulator: Simulator, other: Simulator
) -> None:
    two.write("flow.yaml", FLOW.replace("id: here,", "id: here, provider: other,"))
    assert two.run("run", "flow.yaml").status == 0
    check_books(two.latest, other)
    assert not posts(simulator)


# Servers that are not OpenAI's.


def served(project: Project, server: RawServer, entry: str, step: str, **environ: str) -> Done:
    """Run one step at a server that is declared with `entry`."""
    url = f"{server.url}/openai/v1"
    project.write("flowrunner.yaml", f"providers:\n  other: {{ base_url: {url}, {entry} }}\n")
    project.write(
        "flow.yaml",
        f"{HEAD}steps: [{{ id: a, provider: other, model: my-deployment, prompt: hi{step} }}]\n",
    )
    return project.run("run", "flow.yaml", environ=environ)


def test_azure_as_it_wants_to_be_asked(project: Project) -> None:
    answer = reply(RESPONSE, "200 OK", "apim-request-id: apim-4711")
    with RawServer(lambda peer, _: peer.send(answer)) as server:
        entry = "kind: azure, api_version: 2026-04-01-preview"
        done = served(project, server, entry, "", AZURE_OPENAI_API_KEY=OTHER_KEY)
    assert done.status == 0, done.err
    assert "warning" not in done.err, "a deployment may have any name"
    (request,) = server.requests
    assert request.path == "/openai/v1/responses?api-version=2026-04-01-preview"
    assert request.headers["api-key"] == OTHER_KEY
    assert "authorization" not in request.headers
    assert json.loads(request.body)["model"] == "my-deployment"
    assert project.latest.step("a")["numbers"]["request_id"] == "apim-4711"


def test_a_model_that_a_server_does_not_have(project: Project) -> None:
    error = {"error": {"code": "DeploymentNotFound", "message": "No such thing", "param": "model"}}
    with RawServer(lambda peer, _: peer.send(reply(error, "404 Not Found"))) as server:
        done = served(project, server, "kind: azure", "", AZURE_OPENAI_API_KEY=OTHER_KEY)
    assert done.status == 1
    assert "there it is the name of a deployment" in done.err
    assert "did you mean" not in done.err


def test_a_server_that_wants_a_key_where_none_is_named(project: Project) -> None:
    error = {"detail": "Not authenticated"}
    with RawServer(lambda peer, _: peer.send(reply(error, "401 Unauthorized"))) as server:
        done = served(project, server, "kind: vllm", "")
    assert done.status == 4
    assert "The provider `other` wants a key, and none is set for it: Not authenticated" in done.err
    assert "`key_env`" in done.err


def test_what_the_engine_adds_is_not_sent_where_it_is_not_known(project: Project) -> None:
    with RawServer(lambda peer, _: peer.send(reply(RESPONSE))) as server:
        entry = "supports: { include: false, store: false }"
        more = ', store: false, tools: [web_search] }, { id: b, write: "{{ steps.a.sources }}"'
        done = served(project, server, entry, more)
    assert done.status == 0, done.err
    (request,) = server.requests
    assert json.loads(request.body).keys() == {"model", "input", "tools", "stream"}


def test_what_a_server_cannot_do_is_refused_before_anything_is_sent(project: Project) -> None:
    with RawServer() as server:
        done = served(project, server, "kind: ollama", ", previous_response_id: resp_1")
    assert done.status == 3
    assert "does not know `previous_response_id`: so it is with Ollama" in done.err
    assert not server.requests
    assert project.run("validate", "flow.yaml").status == 3
    project.write("flow.yaml", FLOW.replace("prompt: Something", "store: true, prompt: Something"))
    assert project.run("validate", "flow.yaml", "--provider", "openai").status == 2
    assert project.run("plan", "flow.yaml", "--provider", "openai").status == 0
    assert project.run("plan", "flow.yaml").status == 3


def test_what_goes_along_with_a_step_goes_to_its_provider(
    two: Project, simulator: Simulator, other: Simulator
) -> None:
    """Conversations are begun and large files uploaded where the step asks."""
    two.write("big.txt", "tea " * 1_200_000)
    two.write(
        "flow.yaml",
        HEAD + "defaults: { model: gpt-6-luna }\n"
        "steps:\n"
        "  - { id: talk, provider: other, prompt: Hello, conversation: { name: tea } }\n"
        "  - { id: read, provider: other, prompt: Read it, attach: [big.txt] }\n",
    )
    done = two.run("run", "flow.yaml")
    assert done.status == 0, done.err
    assert not simulator.ledger
    paths = {call.path for call in other.ledger}
    assert paths == {"/v1/conversations", "/v1/files", "/v1/responses"}


def test_a_response_in_the_background_is_looked_for_at_its_provider(
    two: Project, simulator: Simulator, other: Simulator
) -> None:
    flow = FLOW.replace("prompt: Something else", "prompt: Something else, delivery: background")
    two.write("flow.yaml", flow)
    done = two.run("run", "flow.yaml", "--wait")
    assert done.status == 0, done.err
    assert [call.method for call in simulator.ledger] == ["POST"]
    assert "GET" in {call.method for call in other.ledger}


def test_each_provider_counts_its_own_requests(
    two: Project, simulator: Simulator, other: Simulator
) -> None:
    two.write("flow.yaml", FLOW.replace("{{ steps.here.text }}", "please"))
    done = two.run("plan", "flow.yaml", "--exact")
    assert done.status == 0, done.err
    assert [call.path for call in simulator.ledger] == ["/v1/responses/input_tokens"]
    assert [call.path for call in other.ledger] == ["/v1/responses/input_tokens"] * 2
