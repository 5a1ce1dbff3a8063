"""One run of one workflow: what may start, what happens to each step, how it ends.

Knows the language's meaning and the journal; how a request travels is left to `responses` and
`wire`, what a person sees to `report`.
"""
