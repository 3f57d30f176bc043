"""A line to the server: one connection, one call at a time, each with a deadline."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis import exceptions

from celeriac.errors import BrokerUnavailable
from celeriac.stores.scripts import Script
from celeriac.transports.redis.trouble import LOST, explained

Argument = bytes | str | int

#: the server sends no reply to the command that follows
_NO_REPLY = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n"
_EVALSHA = b"$7\r\nEVALSHA\r\n$40\r\n%b\r\n"

_lines: weakref.WeakSet[Line] = weakref.WeakSet()


class Packed:
    """The keys of a script in Redis's protocol, made once for many calls. wire: their number first."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.count = len(keys)
        self.wire = pack((len(keys), *keys))


class Ahead:
    """Commands that go ahead of a call in the same write, and whose replies do not matter.

    applies: asked once there is a connection.
    """

    def __init__(self, commands: Sequence[Sequence[Argument]], applies: Callable[[], bool]) -> None:
        self.count = len(commands)
        self.wire = b"".join(map(_command, commands))
        self.applies = applies


class Line:
    """Calls scripts and commands on a connection of its own, made when it is first needed; any thread may call.

    A call that was not answered leaves no reply behind: the connection is closed, and the next call opens another. It
    is never repeated here, since it may have been done. A forked child opens its own.
    on_connect: called with each new connection before anything else is sent.
    Raises, from every call: BrokerUnavailable, BrokerError.
    """

    def __init__(self, pool: Any, at: str, on_connect: Callable[[Any], None] | None = None) -> None:
        self._pool = pool
        self.at = at
        self._on_connect = on_connect
        self._connection: Any = None
        self._lock = threading.RLock()
        _lines.add(self)

    def run(
        self,
        script: Script,
        keys: Sequence[str] | Packed,
        arguments: Sequence[Argument],
        ahead: Ahead | None = None,
    ) -> Any:
        """Run a script and give its reply; a server that does not know it is taught."""
        packed = keys if isinstance(keys, Packed) else Packed(keys)
        count = b"*%d\r\n" % (3 + packed.count + len(arguments))
        rest = [packed.wire, *_parts(arguments)]
        try:
            return self._ask(b"".join((count, _EVALSHA % script.sha, *rest)), ahead)
        except exceptions.NoScriptError:
            pass
        return self._ask(b"".join((count, *_parts((b"EVAL", script.text)), *rest)), ahead)

    def call(self, *command: Argument) -> Any:
        """Run a command and give its reply."""
        return self._ask(_command(command))

    def call_all(self, commands: Iterable[Sequence[Argument]]) -> list[Any]:
        """Run commands in one round trip and give their replies; errors of single commands are raised."""
        packed = [_command(command) for command in commands]
        with self._lock:
            try:
                connection = self._connected()
                connection.send_packed_command([b"".join(packed)])
                return [connection.read_response() for _ in packed]
            except (exceptions.RedisError, OSError) as error:
                self._drop()
                raise explained(error, self.at) from error

    def post(self, *command: Argument) -> None:
        """Send a command and wait for nothing; the server runs it before anything that is sent here later."""
        with self._lock:
            try:
                self._connected().send_packed_command([_NO_REPLY + _command(command)])
            except (exceptions.RedisError, OSError) as error:
                self._drop()
                raise explained(error, self.at) from error

    def hang_up(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            self._drop()

    def _ask(self, packed: bytes, ahead: Ahead | None = None) -> Any:
        with self._lock:
            try:
                connection = self._connected()
                if ahead is not None and ahead.applies():
                    connection.send_packed_command([ahead.wire + packed])
                    self._skip(connection, ahead.count)
                else:
                    connection.send_packed_command([packed])
                return connection.read_response()
            except exceptions.NoScriptError:
                raise
            except LOST as error:
                self._drop()
                raise explained(error, self.at) from error
            except exceptions.RedisError as error:
                told = explained(error, self.at)
                if isinstance(told, BrokerUnavailable):
                    # After a failover the old master answers READONLY: the next call asks who leads now.
                    self._drop()
                raise told from error
            except BaseException:
                self._drop()
                raise

    def _skip(self, connection: Any, replies: int) -> None:
        try:
            for _ in range(replies):
                connection.read_response()
        except exceptions.ResponseError:
            # The reply that matters is still to come, and must not be taken for the next call's.
            self._drop()
            raise

    def _connected(self) -> Any:
        if self._connection is None:
            connection = new_connection(self._pool)
            connection.connect()
            if self._on_connect is not None:
                self._on_connect(connection)
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _leave_to_the_parent(self) -> None:
        # redis-py closes a connection of another process without a goodbye in its name.
        self._connection, self._lock = None, threading.RLock()


def new_connection(pool: Any) -> Any:
    """Make a connection like those of a pool, which does not count among them; it is not connected yet."""
    return pool.connection_class(**pool.connection_kwargs)


def pack(arguments: Sequence[Argument]) -> bytes:
    """Put arguments into Redis's protocol, without the count that goes before."""
    return b"".join(_parts(arguments))


def _parts(arguments: Sequence[Argument]) -> list[bytes]:
    # Not joined one by one: a large message is copied once.
    parts: list[bytes] = []
    for argument in arguments:
        if isinstance(argument, bytes):
            raw = argument
        elif isinstance(argument, str):
            raw = argument.encode("utf-8", "surrogateescape")
        else:
            raw = b"%d" % argument
        parts += (b"$%d\r\n" % len(raw), raw, b"\r\n")
    return parts


def _command(command: Sequence[Argument]) -> bytes:
    return b"*%d\r\n%b" % (len(command), pack(command))


def _after_fork_in_child() -> None:
    for line in list(_lines):
        line._leave_to_the_parent()


os.register_at_fork(after_in_child=_after_fork_in_child)
