"""The Responses API: one POST, one GET, what their answers mean, and when to ask again.

Bytes and sockets are left to `wire`, the loop over attempts and the journal to `engine`.
"""
