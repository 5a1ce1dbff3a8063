"""flowrunner: declarative workflows for the OpenAI Responses API.

The package's parts are rooms on numbered floors (see the README's architecture section); nothing is
imported here, so that `flowrunner --version` costs as little as Python itself.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
