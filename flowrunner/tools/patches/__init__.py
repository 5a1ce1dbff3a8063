"""Changes that a model makes to files of one folder, by patches.

diff     what a diff makes of a text: pure
beneath  files beneath a folder, reached through no link
patch    `call_patch`: one operation of the API
"""

from flowrunner.tools.patches.patch import call_patch

__all__ = ["call_patch"]
