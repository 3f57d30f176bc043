"""Connections to where state is kept, and nothing else: what is read and written belongs to the rooms above.

In: a URL and the project's folder. Out: an engine. On failure: RecordsError, the URL's password hidden.
"""

from celeriac.stores.sql import open_engine

__all__ = ["open_engine"]
