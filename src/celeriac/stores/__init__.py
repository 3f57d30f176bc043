"""Connections to where state is kept, and nothing else: what is read and written belongs to the rooms above.

In: a URL and the project's folder. Out: an engine or a client. On failure: a coded error, the URL's password hidden.
Each driver is slow to import and used by few processes, so whoever opens a store imports its module.
"""
