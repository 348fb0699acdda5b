"""Findings: what the numbers of a run say, as sentences with evidence. Made from records alone, without processes.

A new finding is a new file in `rules/`. `engine` applies the rules, `run_data` is what they read, `model` has what they
return, `format` formats it.
"""
