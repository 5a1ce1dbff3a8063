"""The only truth about a run: append what happens, replay it, look it up.

What happens is decided above; this room only makes sure that it is never lost, doubled or half.
"""
