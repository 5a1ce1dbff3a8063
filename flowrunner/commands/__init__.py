"""What the commands do, beyond reading their options.

Options and exit statuses are left to `cli`; what happens inside a run to `engine`.
"""
