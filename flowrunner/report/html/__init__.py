"""The report as one page that opens from disk: no network, no script needed, every value escaped.

Made from the report document alone (`flowrunner.report.report`); nothing here reads a journal.
"""

from flowrunner.report.html.page import render_html

__all__ = ["render_html"]
