"""Keys, addresses and `.env`: where they come from, and what is refused without being shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.errors import EnvironmentFault, ExitStatus, InvalidWorkflow, UsageError
from flowrunner.language.workflow import Limits
from flowrunner.language.workflow.parts import Money
from flowrunner.project import dotenv
from flowrunner.project.credentials import base_url_fault, header_fault, key_fault
from flowrunner.project.folders import find_env_file, find_project
from flowrunner.project.settings import Settings, load_settings
from flowrunner.wire import Secret

KEY = "sk-CANARY-0123456789abcdef"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A project with a workflow two folders down."""
    (tmp_path / "project" / ".git").mkdir(parents=True)
    (tmp_path / "project" / "workflows" / "sub").mkdir(parents=True)
    (tmp_path / "project" / "workflows" / "sub" / "a.yaml").write_text("flowrunner: 1\n")
    return tmp_path / "project"


def workflow(top: Path) -> Path:
    return top / "workflows" / "sub" / "a.yaml"


def load(top: Path, environ: dict[str, str] | None = None, **more: Any) -> Settings:
    return load_settings(workflow(top), environ or {}, **more)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        (f"{KEY}\n", "ends with a newline"),
        (f"{KEY}\r\n", "ends with a newline"),
        (f" {KEY}", "begins or ends with a space"),
        (f"{KEY} ", "begins or ends with a space"),
        (f"{KEY} {KEY}", "holds a space"),
        (f"{KEY}\n{KEY}", "holds a newline"),
        (f"Bearer {KEY}", "`Bearer`"),
        (f'"{KEY}"', "quotes around it"),
        (f"'{KEY}'", "quotes around it"),
        (f"“{KEY}”", "typographic quotes"),
        (f"{KEY}é", "no key has"),
        (f"{KEY}\x07", "invisible"),
        (f"{KEY}\u200b", "no key has"),
        ("sk-...", "placeholder"),
        ("<your key>".replace(" ", "-"), "placeholder"),
        ("your-api-key", "placeholder"),
        (KEY * 400, "far too long"),
    ],
)
def test_keys_that_cannot_be_right(value: str, said: str) -> None:
    sentence = key_fault("OPENAI_API_KEY", value)
    assert sentence is not None
    assert said in sentence
    assert "`OPENAI_API_KEY`" in sentence
    assert "CANARY" not in sentence


def test_a_key_in_order() -> None:
    assert key_fault("OPENAI_API_KEY", KEY) is None
    assert key_fault("OPENAI_API_KEY", "ollama") is None


@given(st.text())
def test_no_key_raises_or_is_shown(value: str) -> None:
    sentence = key_fault("N", value)
    if len(value) > 3 and not value.isspace():
        assert sentence is None or value not in sentence or value in "`N` is set but empty"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("api.openai.com/v1", "`https://`"),
        ("ftp://api.example/v1", "`https://`"),
        ("http://api.example/v1", "`http://`"),
        ("http://10.0.0.1:8080/v1", "`http://`"),
        ("http://2130706433/v1", "`http://`"),
        ("https://user:CANARY@api.example/v1", "user or password"),
        ("https://api.example/v1?key=CANARY", "`?` or `#`"),
        ("https://api.example/v1#CANARY", "`?` or `#`"),
        ("https://api.example/v1/v1", "version twice"),
        ("https://api.example/v1/v1/", "version twice"),
        ("https://api.example/v1/responses", "before `/responses`"),
        ("https://api.example/v1/chat/completions", "before `/chat/completions`"),
        ("https:///v1", "no host"),
        ("https://[::1/v1", "no address"),
        ("https://api.example:99999/v1", "no address"),
        ("https://api example/v1", "a space"),
        ("https://äpi.example/v1", "a space or another"),
    ],
)
def test_base_urls_that_cannot_be_right(value: str, said: str) -> None:
    sentence = base_url_fault("OPENAI_BASE_URL", value)
    assert sentence is not None
    assert said in sentence
    assert "CANARY" not in sentence


@pytest.mark.parametrize(
    "value",
    [
        "https://api.openai.com/v1",
        "https://eu.api.openai.com/v1/",
        "https://NAME.openai.azure.com/openai/v1",
        "http://127.0.0.1:11434/v1",
        "http://localhost:8000/v1",
        "http://[::1]:8000/v1",
        "https://api.example",
    ],
)
def test_base_urls_in_order(value: str) -> None:
    assert base_url_fault("OPENAI_BASE_URL", value) is None


@given(st.text() | st.text().map(lambda text: f"https://{text}"))
def test_no_base_url_raises(value: str) -> None:
    base_url_fault("N", value)


def test_header_values() -> None:
    assert header_fault("OPENAI_ORG_ID", "org-1") is None
    for value in ("org 1", "org\n", "ö", "x" * 300):
        assert header_fault("OPENAI_ORG_ID", value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1", {"A": "1"}),
        ("export A=1\r\nB = two words  # why\r\n", {"A": "1", "B": "two words"}),
        ("A='x # y'", {"A": "x # y"}),
        ('A="x # y" # why', {"A": "x # y"}),
        ('A="say \\"hi\\"\\n$B"', {"A": 'say "hi"\n$B'}),
        ("A='\\n'", {"A": "\\n"}),
        ("A=", {"A": ""}),
        ("A=#no", {"A": ""}),
        ("A=a#b", {"A": "a#b"}),
        ("A=b=c", {"A": "b=c"}),
        ("\ufeffA=1\n# comment\n\n  B=2\nA=3", {"A": "3", "B": "2"}),
    ],
)
def test_lines_of_a_dotenv(text: str, values: dict[str, str]) -> None:
    assert dotenv.parse(text) == dotenv.Dotenv(values)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('A="CANARY', "A"),
        ("A='CANARY", "A"),
        ('A="x" CANARY', "A"),
        ("CANARY", ""),
        ("1A=CANARY", ""),
        ("A CANARY=1", ""),
    ],
)
def test_odd_lines_are_told_without_their_value(line: str, name: str) -> None:
    found = dotenv.parse(f"OK=1\n{line}\n")
    assert found.values == {"OK": "1"}
    ((told, sentence),) = found.faults
    assert told == name
    assert "line 2" in sentence
    assert "CANARY" not in sentence + repr(found)


@given(st.text())
def test_no_dotenv_raises(text: str) -> None:
    dotenv.parse(text)


def test_dotenv_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")
    assert "not UTF-8" in dotenv.read(tmp_path / ".env").faults[0][1]
    assert "cannot be opened" in dotenv.read(tmp_path).faults[0][1]
    (tmp_path / ".env").write_bytes(b"#" * (dotenv.MAX_BYTES + 1))
    assert "1 MiB" in dotenv.read(tmp_path / ".env").faults[0][1]


def test_the_nearest_dotenv_up_to_the_top_of_the_project(top: Path) -> None:
    (top.parent / ".env").write_text("A=1")
    assert find_env_file(workflow(top), {}) is None
    (top / ".env").write_text("A=1")
    assert find_env_file(workflow(top), {}) == top / ".env"
    (top / "workflows" / ".env").write_text("A=1")
    assert find_env_file(workflow(top), {}) == top / "workflows" / ".env"


def test_the_search_ends_at_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1")
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    assert find_env_file(home / "work", {"HOME": str(home)}) is None
    assert find_env_file(home / "work", {}) == tmp_path / ".env"


def test_a_folder_where_everybody_may_write_is_not_trusted_from_below(tmp_path: Path) -> None:
    (tmp_path / "shared" / "mine").mkdir(parents=True)
    (tmp_path / "shared" / ".env").write_text("A=1")
    (tmp_path / "shared").chmod(0o777)
    assert find_env_file(tmp_path / "shared" / "mine", {}) is None
    assert find_env_file(tmp_path / "shared", {}) == tmp_path / "shared" / ".env"


def test_where_a_project_begins(top: Path, tmp_path: Path) -> None:
    assert find_project(workflow(top)) == top
    (tmp_path / "alone").mkdir()
    assert find_project(tmp_path / "alone") == tmp_path / "alone"
    assert find_project(tmp_path / "alone" / "missing.yaml") == tmp_path / "alone"
    (tmp_path / "alone" / "workflows").mkdir()
    assert find_project(tmp_path / "alone" / "workflows" / "a.yaml") == tmp_path / "alone"
    (tmp_path / "alone" / "workflows" / ".flowrunner").mkdir()
    assert find_project(tmp_path / "alone" / "workflows") == tmp_path / "alone" / "workflows"


PROJECT = """\
model: gpt-6-luna
defaults: { reasoning: { effort: low } }
budget: 2 USD
confirm_above: 1 USD
limits: { at_once: 4, timeout: 90s }
prices: { my-model: { input: 1, output: 2 } }
provider: gateway
providers:
  gateway: { base_url: https://gateway.example/v1/, key_env: GATEWAY_KEY, auth: api-key }
  local: { base_url: http://127.0.0.1:11434/v1, supports: { store: false } }
"""
GATEWAY_KEY = "gw-CANARY-0123456789"


def test_a_project_file_with_everything(top: Path) -> None:
    (top / "flowrunner.yaml").write_text(PROJECT)
    settings = load(top, {"GATEWAY_KEY": GATEWAY_KEY, "OPENAI_API_KEY": KEY, "OPENAI_ORG_ID": "o"})
    assert settings.project == top
    assert settings.model is None
    assert settings.below == {"model": "gpt-6-luna", "reasoning": {"effort": "low"}}
    assert settings.budget == Money(2.0)
    assert settings.confirm_above_usd == 1.0
    assert settings.limits == Limits(4, 90.0)
    assert settings.prices == {"my-model": {"input": 1.0, "output": 2.0}}
    assert (settings.provider, settings.base_url) == ("gateway", "https://gateway.example/v1")
    assert settings.provider_named("local").abilities.supports == {"store": False}
    endpoint = settings.endpoint()
    assert (endpoint.name, endpoint.key, endpoint.auth) == (
        "gateway",
        Secret(GATEWAY_KEY),
        "api-key",
    )
    assert endpoint.headers == {}
    assert settings.endpoint("local").key is None
    openai = settings.endpoint("openai")
    assert (openai.base_url, openai.key) == ("https://api.openai.com/v1", Secret(KEY))
    assert openai.headers == {"OpenAI-Organization": "o"}


def test_every_setting_of_a_project_file_knows_its_line(top: Path) -> None:
    (top / "flowrunner.yaml").write_text(PROJECT)
    file = top / "flowrunner.yaml"
    overview = load(top, {"GATEWAY_KEY": GATEWAY_KEY}).overview()
    for line in (
        ("model", "gpt-6-luna", f"{file}:1"),
        ("defaults.reasoning", '{"effort": "low"}', f"{file}:2"),
        ("budget", "2 USD", f"{file}:3"),
        ("confirm_above", "1 USD", f"{file}:4"),
        ("limits.at_once", "4", f"{file}:5"),
        ("limits.timeout", "90s", f"{file}:5"),
        ("prices.my-model", "input 1, output 2", f"{file}:6"),
        ("provider", "gateway", f"{file}:7"),
        ("providers.gateway.base_url", "https://gateway.example/v1", f"{file}:9"),
        ("GATEWAY_KEY", "set, not shown", "environment"),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1", "default"),
    ):
        assert line in overview
    assert "CANARY" not in str(overview)


def test_mistakes_in_a_project_file_stop_everything(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / "flowrunner.yaml").write_text("modle: gpt-6\nbudget: 3 EUR\n")
    monkeypatch.chdir(top / "workflows")
    with pytest.raises(InvalidWorkflow) as fault:
        load(top)
    assert fault.value.exit_status is ExitStatus.INVALID
    assert f"{top / 'flowrunner.yaml'}:1:1: error[unknown-key]" in fault.value.message
    assert ":2:9: error[budget]" in fault.value.message
    monkeypatch.chdir(top)
    with pytest.raises(InvalidWorkflow, match=r"^flowrunner\.yaml:1:1: "):
        load(top)


def test_a_project_file_that_leads_nowhere_is_not_passed_over(top: Path) -> None:
    (top / ".git").rmdir()
    (top / ".flowrunner").mkdir()
    (top / "flowrunner.yaml").symlink_to(top / "nowhere.yaml")
    with pytest.raises(InvalidWorkflow, match="a link to a file that does not exist"):
        load(top)


def test_doubts_about_a_project_file_are_warnings(top: Path) -> None:
    (top / "flowrunner.yaml").write_text("model: gpt-6-lunna\n")
    (warning,) = load(top).warnings
    assert "line 1: `gpt-6-lunna`" in warning


def test_a_provider_that_nobody_declared(top: Path) -> None:
    (top / "flowrunner.yaml").write_text(PROJECT)
    settings = load(top, overrides={"FLOWRUNNER_PROVIDER": "gatewy"})
    with pytest.raises(UsageError, match="did you mean `gateway`") as fault:
        settings.endpoint()
    assert fault.value.help is not None
    with pytest.raises(UsageError, match="there is `gateway`, `local` and `openai`"):
        settings.provider_named("zzz")


def test_the_operator_chooses_the_provider(top: Path) -> None:
    (top / "flowrunner.yaml").write_text(PROJECT)
    assert load(top).provider == "gateway"
    assert load(top, {"FLOWRUNNER_PROVIDER": "local"}).endpoint().name == "local"
    overrides = {"FLOWRUNNER_PROVIDER": "openai"}
    assert load(top, {"FLOWRUNNER_PROVIDER": "local"}, overrides=overrides).provider == "openai"
    (top / "flowrunner.yaml").unlink()
    assert load(top).provider == "openai"


def test_the_key_of_a_provider_is_checked_like_any_other(top: Path) -> None:
    (top / "flowrunner.yaml").write_text(PROJECT)
    with pytest.raises(EnvironmentFault, match="`GATEWAY_KEY` is not set"):
        load(top, {"OPENAI_API_KEY": KEY}).endpoint()
    with pytest.raises(EnvironmentFault, match="`GATEWAY_KEY` ends with a newline"):
        load(top, {"GATEWAY_KEY": f"{GATEWAY_KEY}\n"}).endpoint()
    with pytest.raises(EnvironmentFault, match="`GATEWAY_KEY` is set but empty"):
        load(top, {"GATEWAY_KEY": ""}).endpoint()
    (top / ".env").write_text(f'GATEWAY_KEY="{GATEWAY_KEY}\n')
    with pytest.raises(EnvironmentFault, match="the quotes around `GATEWAY_KEY`") as fault:
        load(top).endpoint()
    assert "CANARY" not in fault.value.message
    assert len(fault.value.message.splitlines()) == 1
    (top / ".env").write_text(f"GATEWAY_KEY={GATEWAY_KEY}\n")
    assert load(top).endpoint().key == Secret(GATEWAY_KEY)


OWN = "providers: {{ openai: {{ base_url: {url}, key_env: TEAM_KEY }} }}\n"


@pytest.mark.parametrize(
    ("url", "environ", "went"),
    [
        # The file's address goes with the file's key, whatever the environment holds.
        ("https://gateway.example/v1", {}, ("gateway.example", "team")),
        # At OpenAI the environment's own key counts first.
        ("https://eu.api.openai.com/v1", {}, ("eu.api.openai.com", "openai")),
        ("https://eu.api.openai.com/v1", {"OPENAI_API_KEY": ""}, ("eu.api.openai.com", "team")),
        # The environment's address goes with the environment's key, and with no other.
        (
            "https://gateway.example/v1",
            {"OPENAI_BASE_URL": "https://other.example/v1"},
            ("other.example", "openai"),
        ),
        (
            "https://gateway.example/v1",
            {"OPENAI_BASE_URL": "https://other.example/v1", "OPENAI_API_KEY": ""},
            None,
        ),
    ],
)
def test_a_key_is_only_sent_to_its_own_host(
    top: Path, url: str, environ: dict[str, str], went: tuple[str, str] | None
) -> None:
    keys = {"team": "team-0123456789", "openai": "sk-0123456789"}
    (top / "flowrunner.yaml").write_text(OWN.format(url=url))
    both = {"TEAM_KEY": keys["team"], "OPENAI_API_KEY": keys["openai"]}
    settings = load(top, both | environ)
    if went is None:
        with pytest.raises(EnvironmentFault, match="`OPENAI_API_KEY` is set but empty"):
            settings.endpoint()
        return
    endpoint = settings.endpoint()
    assert endpoint.base_url == f"https://{went[0]}/v1"
    assert endpoint.key == Secret(keys[went[1]])


def test_the_address_of_a_dotenv_counts_before_the_file(top: Path) -> None:
    (top / "flowrunner.yaml").write_text(OWN.format(url="https://gateway.example/v1"))
    (top / ".env").write_text("OPENAI_BASE_URL=https://evil.example/v1\n")
    with pytest.raises(EnvironmentFault, match="host of its choice"):
        load(top, {"TEAM_KEY": "team-0123456789", "OPENAI_API_KEY": KEY}).endpoint()


def test_the_keys_of_all_providers_are_secrets(top: Path) -> None:
    (top / "flowrunner.yaml").write_text(
        "providers:\n"
        "  gateway: { base_url: https://gateway.example/v1, key_env: GATEWAY_KEY }\n"
        "  local: { base_url: http://127.0.0.1:11434/v1, key_env: LOCAL_KEY }\n"
    )
    environ = {"GATEWAY_KEY": GATEWAY_KEY, "LOCAL_KEY": "ollama", "OPENAI_API_KEY": KEY}
    settings = load(top, environ)
    assert set(settings.secrets()) == {KEY, GATEWAY_KEY}
    assert set(load(top, environ | {"LOCAL_KEY": KEY[:20]}).secrets()) == {
        KEY,
        GATEWAY_KEY,
        KEY[:20],
    }
    assert "CANARY" not in repr(settings)


def test_the_command_line_counts_before_the_environment_before_dotenv(top: Path) -> None:
    (top / ".env").write_text(f"OPENAI_API_KEY={KEY}\nFLOWRUNNER_MODEL=from-file\n")
    settings = load(top)
    assert settings.model == "from-file"
    assert settings.found["FLOWRUNNER_MODEL"].source == str(top / ".env")
    assert settings.env_file == top / ".env"
    settings = load(top, {"FLOWRUNNER_MODEL": "from-environment"})
    assert settings.model == "from-environment"
    settings = load(
        top,
        {"FLOWRUNNER_MODEL": "from-environment"},
        overrides={"FLOWRUNNER_MODEL": "from-command-line"},
    )
    assert settings.model == "from-command-line"
    assert settings.found["FLOWRUNNER_MODEL"].source == "command line"
    assert load(top, {"FLOWRUNNER_MODEL": ""}).model == "from-file"


def test_an_endpoint_with_everything(top: Path) -> None:
    endpoint = load(
        top,
        {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": "https://api.example/v1/",
            "OPENAI_ORG_ID": "org-1",
            "OPENAI_PROJECT_ID": "proj_1",
        },
    ).endpoint()
    assert endpoint.base_url == "https://api.example/v1"
    assert endpoint.key == Secret(KEY)
    assert endpoint.headers == {"OpenAI-Organization": "org-1", "OpenAI-Project": "proj_1"}
    assert KEY not in repr(endpoint)


def test_a_key_alone_goes_to_openai(top: Path) -> None:
    (top / ".env").write_bytes(f"OPENAI_API_KEY={KEY}\r\n".encode())
    endpoint = load(top).endpoint()
    assert (endpoint.base_url, endpoint.key) == ("https://api.openai.com/v1", Secret(KEY))


def test_a_missing_key_is_one_sentence_with_both_ways_on(top: Path) -> None:
    with pytest.raises(EnvironmentFault) as fault:
        load(top).endpoint()
    assert "export OPENAI_API_KEY=…" in fault.value.message
    assert "--simulate" in fault.value.message
    assert "\n" not in fault.value.message
    assert fault.value.exit_status is ExitStatus.ENVIRONMENT


def test_an_empty_key_says_so(top: Path) -> None:
    with pytest.raises(EnvironmentFault, match="set but empty"):
        load(top, {"OPENAI_API_KEY": ""}).endpoint()


def test_a_server_on_this_machine_needs_no_key(top: Path) -> None:
    endpoint = load(top, {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}).endpoint()
    assert endpoint.key is None


def test_all_faults_come_at_once_and_none_shows_a_value(top: Path) -> None:
    settings = load(
        top,
        {
            "OPENAI_API_KEY": f"{KEY}\n",
            "OPENAI_BASE_URL": "https://user:CANARY@api.example/v1",
            "OPENAI_ORG_ID": "my org",
        },
    )
    with pytest.raises(EnvironmentFault) as fault:
        settings.endpoint()
    assert len(fault.value.message.splitlines()) == 3
    assert "CANARY" not in fault.value.message + repr(settings) + str(settings.overview())


def test_a_fault_in_dotenv_names_the_file(top: Path) -> None:
    (top / ".env").write_text(f'OPENAI_API_KEY="Bearer {KEY}"\n')
    with pytest.raises(EnvironmentFault) as fault:
        load(top).endpoint()
    assert str(top / ".env") in fault.value.message
    assert "CANARY" not in fault.value.message


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_an_odd_line_that_matters_stops_and_another_only_warns(top: Path, name: str) -> None:
    (top / ".env").write_text(f'{name}="CANARY\nOTHER="CANARY\n')
    settings = load(top)
    (warning,) = settings.warnings
    assert "`OTHER`" in warning
    with pytest.raises(EnvironmentFault) as fault:
        settings.endpoint()
    assert f"`{name}`" in fault.value.message
    assert "CANARY" not in fault.value.message + warning
    used = load(top, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://api.example/v1"})
    assert used.endpoint().key == Secret(KEY)


@pytest.mark.parametrize(
    ("base_url", "is_fine"),
    [
        ("https://evil.example/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://eu.api.openai.com/v1", True),
        ("http://127.0.0.1:8000/v1", True),
    ],
)
def test_a_file_may_not_send_the_key_of_the_environment_elsewhere(
    top: Path, base_url: str, is_fine: bool
) -> None:
    (top / ".env").write_text(f"OPENAI_BASE_URL={base_url}\n")
    settings = load(top, {"OPENAI_API_KEY": KEY})
    if is_fine:
        assert settings.endpoint().base_url == base_url
        return
    with pytest.raises(EnvironmentFault, match="host of its choice"):
        settings.endpoint()


def test_a_file_with_its_own_key_may_name_its_own_host(top: Path) -> None:
    (top / ".env").write_text(f"OPENAI_BASE_URL=https://api.example/v1\nOPENAI_API_KEY={KEY}\n")
    assert load(top).endpoint().key == Secret(KEY)


def test_proxies_come_from_the_environment_alone(top: Path) -> None:
    (top / ".env").write_text("HTTPS_PROXY=http://evil.example\n")
    assert load(top).proxies == {}
    environ = {"HTTPS_PROXY": "http://u:p%40ssword@proxy:1", "no_proxy": "a,b", "HTTP_PROXY": ""}
    settings = load(top, environ)
    assert settings.proxies == {"HTTPS_PROXY": environ["HTTPS_PROXY"], "no_proxy": "a,b"}
    assert {"p%40ssword", "p@ssword"} <= set(settings.secrets())
    assert ("HTTPS_PROXY", "http://***@proxy:1", "environment") in settings.overview()


def test_a_word_for_the_key_of_a_local_server_is_no_secret(top: Path) -> None:
    local = {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}
    assert load(top, local | {"OPENAI_API_KEY": "ollama"}).secrets() == ()
    assert load(top, local | {"OPENAI_API_KEY": KEY}).secrets() == (KEY,)
    assert load(top, {"OPENAI_API_KEY": "ollama"}).secrets() == ("ollama",)


def test_every_value_that_is_secret_is_listed_and_none_is_shown(top: Path) -> None:
    settings = load(top, {"OPENAI_API_KEY": KEY, "OPENAI_ADMIN_KEY": "admin-CANARY"})
    assert set(settings.secrets()) == {KEY, "admin-CANARY"}
    assert "CANARY" not in str(settings.overview()) + repr(settings)
    assert ("OPENAI_API_KEY", "set, not shown", "environment") in settings.overview()
    assert ("OPENAI_BASE_URL", "https://api.openai.com/v1", "default") in settings.overview()
    settings = load(top, {"OPENAI_BASE_URL": "https://a:CANARY@b.example/v1?key=CANARY"})
    assert "CANARY" not in str(settings.overview())
