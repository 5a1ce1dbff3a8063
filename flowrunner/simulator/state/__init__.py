"""What the server keeps from one request to the next: items, conversations, files, containers.

What a request may ask of it is left to `endpoints`, what the model answers to `output`.
"""
