"""Tools that a file declares, as frozen values: what they are, take, and may touch.

Nothing here starts, imports or asks anything. Reading them from a file is left to `workflow`,
running them to the room `tools` and the engine.

    kinds       what a tool is, and the verb `call`
    objects     how a tool is offered to the model, and under which name its calls come back
    secrets     `{ env: NAME }`, which becomes a value only when a request leaves
    signatures  the arguments of a Python function, read without importing it
"""

from flowrunner.language.tools.kinds import (
    CallTool,
    CommandTool,
    ComputerTool,
    CustomTool,
    EnvName,
    HttpTool,
    Kind,
    McpTool,
    PatchTool,
    Placed,
    PythonTool,
    ShellTool,
    Tool,
    WorkflowTool,
)
from flowrunner.language.tools.objects import (
    api_object,
    call_name,
    call_names,
    callable_tools,
    mcp_function,
    mcp_name,
    stands_for,
)
from flowrunner.language.tools.secrets import MissingSecret, env_names, with_secrets

__all__ = [
    "CallTool",
    "CommandTool",
    "ComputerTool",
    "CustomTool",
    "EnvName",
    "HttpTool",
    "Kind",
    "McpTool",
    "MissingSecret",
    "PatchTool",
    "Placed",
    "PythonTool",
    "ShellTool",
    "Tool",
    "WorkflowTool",
    "api_object",
    "call_name",
    "call_names",
    "callable_tools",
    "env_names",
    "mcp_function",
    "mcp_name",
    "stands_for",
    "with_secrets",
]
