"""A bell that the server rings: a second connection, told when a key changes that a look has named."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from typing import Any

from redis import exceptions

from celeriac.events import emit
from celeriac.transports.redis.line import Ahead, new_connection

#: where a server with tracking tells of changed keys, in the older protocol
_INVALIDATIONS = "__redis__:invalidate"
#: how often a consumer looks where the server does not ring, seconds
LOOK_EVERY_S = 0.05


class Bell:
    """The bell of one line; hung anew with each connection of that line.

    rings: False where the server refuses tracking; then its consumer has to look by itself.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._changing = threading.Lock()
        self._hung: Any = None
        self._taken_down: list[Any] = []
        self.rings = True

    def hang(self, connection: Any) -> None:
        """Have the server tell what changes of the keys that `connection` reads.

        Raises: redis-py's errors of a lost connection.
        """
        listening = new_connection(self._pool)
        listening.connect()
        try:
            listening.send_command("CLIENT", "ID")
            number = listening.read_response()
            listening.send_command("SUBSCRIBE", _INVALIDATIONS)
            listening.read_response()
            # By itself the server would tell of all keys that a script is given, those of every lease among them.
            for command in (("TRACKING", "ON", "REDIRECT", number, "OPTIN"), ("CACHING", "YES")):
                connection.send_command("CLIENT", *command)
                connection.read_response()
            listening._sock.setblocking(False)
        except exceptions.ResponseError as error:
            listening.disconnect()
            if self.rings:
                emit("broker", "broker.no_bell", every_ms=round(LOOK_EVERY_S * 1000), error=str(error))
            self.rings = False
            return
        except BaseException:
            listening.disconnect()
            raise
        with self._changing:
            if self._hung is not None:
                self._taken_down.append(self._hung)
            self._hung = listening
        self.rings = True

    def fileno(self) -> int | None:
        """Give the descriptor that becomes readable when it rings; None while it does not hang."""
        hung = self._hung
        sock = None if hung is None else hung._sock
        return None if sock is None else int(sock.fileno())

    def silence(self) -> bool:
        """Forget the rings so far; False if the server has hung up, and the line must be made anew."""
        hung = self._hung
        if hung is None or hung._sock is None:
            return False
        sock = hung._sock
        try:
            # What was changed does not matter: whoever is rung looks at all of it.
            while chunk := sock.recv(65536):
                if len(chunk) < 65536:
                    return True
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def arming(self, keys: Sequence[str]) -> Ahead:
        """Give what is asked ahead of a look at these keys: from then on the bell rings once any of them changes."""
        return Ahead((("CLIENT", "CACHING", "YES"), ("EXISTS", *keys)), lambda: self.rings)

    def clear_away(self) -> None:
        """Close the connections of bells that hang no more; by the thread that watches their descriptors."""
        with self._changing:
            gone, self._taken_down = self._taken_down, []
        for each in gone:
            each.disconnect()

    def take_down(self) -> None:
        """Close the connection."""
        with self._changing:
            hung, self._hung = self._hung, None
            if hung is not None:
                self._taken_down.append(hung)
