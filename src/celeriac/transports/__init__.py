"""Transports: how a message gets from a sender to a worker, and is never only in one process's memory.

`sqlite/` is the embedded broker. `view.py` is what can be asked of a broker without consuming from it.
"""
