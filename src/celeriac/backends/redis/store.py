"""One backend's hold on the server: scripts by their SHA-1, and errors in our words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis import exceptions

from celeriac.errors import ResultsError, ResultsUnavailable
from celeriac.stores.scripts import Script


class Store:
    """Runs scripts on a redis-py client, which is made when it is first needed.

    Raises, from every method: ResultsUnavailable where trying again may help, else ResultsError.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    @property
    def client(self) -> Any:
        return self._connect()

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script and give its reply; a server that does not know it is taught."""
        with told():
            try:
                return self._run_at_once(script, keys, arguments)
            except (exceptions.ConnectionError, exceptions.TimeoutError):
                pass  # an old connection, perhaps: what we run may be run again, and redis-py knows how
            except exceptions.NoScriptError:
                return self.client.eval(script.text, len(keys), *keys, *arguments)
            try:
                return self.client.evalsha(script.sha.decode(), len(keys), *keys, *arguments)
            except exceptions.NoScriptError:
                return self.client.eval(script.text, len(keys), *keys, *arguments)

    def _run_at_once(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        # Straight through a connection of its pool: a client adds half as much again to what the call costs.
        pool = self.client.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_command("EVALSHA", script.sha, len(keys), *keys, *arguments)
            return connection.read_response()
        except exceptions.ResponseError:
            raise
        except BaseException:
            # A reply may be on its way that nobody must take for the next one's.
            connection.disconnect()
            raise
        finally:
            pool.release(connection)


@contextmanager
def told() -> Iterator[None]:
    """Tell redis-py's errors in our words, with the remedy."""
    try:
        yield
    except exceptions.RedisError as error:
        raise _explained(error) from error


def _explained(error: exceptions.RedisError) -> ResultsError:
    said = str(error).strip() or type(error).__name__
    if isinstance(error, exceptions.OutOfMemoryError) or said.startswith("OOM"):
        return ResultsUnavailable(
            "RESULT-021",
            "Redis has no memory left for results; nothing was written.",
            fix="raise its maxmemory, or shorten result_expires",
        )
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError) or said.startswith(
        ("LOADING", "READONLY", "MASTERDOWN", "MISCONF")
    ):
        return ResultsUnavailable(
            "RESULT-020", f"the Redis of the results cannot be used now: {said}.", fix="see that it runs"
        )
    return ResultsError(
        "RESULT-022",
        f"the Redis of the results refused a step: {said}.",
        fix="use Redis 6.2 or newer, and let its user run scripts",
    )
