"""Replies kept beside a workflow, in files that people read and versions are made of.

A recording is made from the journal of a run and nothing else; a replay answers from it in the
place of the network. Whether and where either is wanted is left to `commands`.

    canonical   a request without what differs from run to run
    recording   the file: its entries, read and written
    taking      from a journal to a recording
    replaying   from a recording to replies
    nearest     the recorded request that is most like another, and what differs
"""

from flowrunner.recordings.canonical import Canon
from flowrunner.recordings.recording import Entry, Recording, path_of, read_recording
from flowrunner.recordings.replaying import Replay
from flowrunner.recordings.taking import take

__all__ = [
    "Canon",
    "Entry",
    "Recording",
    "Replay",
    "path_of",
    "read_recording",
    "take",
]
