"""How Sphinx builds the pages of this folder: `sphinx-build -W docs OUTPUT`."""

project = "flowrunner"
author = "The flowrunner authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "flowrunner"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
exclude_patterns = ["_build"]
myst_heading_anchors = 3
smartquotes = False  # `--option` and quotes of shells are to be copied
# Fragments of YAML and consoles that print symbols are shown as they are.
suppress_warnings = ["misc.highlighting_failure", "myst.header"]
