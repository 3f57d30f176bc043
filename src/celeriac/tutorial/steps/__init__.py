"""The steps of the story; each module holds those of one subject, each function one step.

A step says what comes and what to look at, waits, does it, and counts what came of it.
"""
