"""What surrounds a workflow: its project, `.env`, the environment, and the inputs of a run.

What the values are used for is left to the rooms that ask for them.
"""
