"""A run's state as something to read: terminal lines, HTML, JSON.

Everything here is computed from the journal and from nothing else; what happened is left to it.
"""
