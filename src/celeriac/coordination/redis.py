"""Coordination on Redis: each step one Lua script, timed by the server's clock.

All keys carry one hash tag, so that a script may touch a lease and a document together on a cluster too. What Redis
forgets (a flush, a restart without persistence) is gone, but the numbers of terms grow on: a lease that is new begins
at the server's time in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from redis.exceptions import BusyLoadingError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as NoAnswer

from celeriac.coordination.protocol import ABSENT, Term, Versioned
from celeriac.coordination.turns import KEPT, RUN, Pace, micros
from celeriac.coordination.turns_lua import PLACE, TURN
from celeriac.coordination.versions import new_version
from celeriac.errors import CoordinationError, CoordinationUnavailable, redacted
from celeriac.stores.redis import load_script, open_redis

_NOW = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

#: KEYS lease; ARGV holder, ttl ms -> number, 0 while somebody else holds it
_ACQUIRE = (
    _NOW
    + """
local lease = redis.call('HMGET', KEYS[1], 'number', 'holder', 'until')
local number = tonumber(lease[1] or (t[1] - 1))
if lease[3] and tonumber(lease[3]) > now then
  if lease[2] ~= ARGV[1] then return 0 end
else
  number = number + 1
end
redis.call('HSET', KEYS[1], 'number', string.format('%.0f', number), 'holder', ARGV[1],
  'until', string.format('%.0f', now + ARGV[2]))
return number
"""
)

#: a Lua function: whether the term of ARGV[at] (holder) and ARGV[at + 1] (number) holds the lease `key` now
_HOLDS = (
    _NOW
    + """
local function holds(key, at)
  local lease = redis.call('HMGET', key, 'holder', 'number', 'until')
  return lease[3] and lease[1] == ARGV[at] and lease[2] == ARGV[at + 1] and tonumber(lease[3]) > now
end
"""
)

#: KEYS lease; ARGV holder, number, ttl ms (0 ends the term) -> 1 or 0
_RENEW = (
    _HOLDS
    + """
if not holds(KEYS[1], 1) then return 0 end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[3]))
return 1
"""
)

#: KEYS lease -> holder, number; nothing if nobody holds it
_CURRENT = (
    _NOW
    + """
local lease = redis.call('HMGET', KEYS[1], 'holder', 'number', 'until')
if lease[3] and tonumber(lease[3]) > now then return {lease[1], lease[2]} end
return {}
"""
)

#: KEYS claim; ARGV owner, ttl ms -> 1 or 0
_CLAIM = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

#: KEYS claim; ARGV owner -> 1 or 0
_UNCLAIM = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

#: KEYS document, lease; ARGV version, new version, value, ttl ms (0: for ever), holder, number ('': no fence)
_SWAP = (
    _HOLDS
    + """
if ARGV[6] ~= '' and not holds(KEYS[2], 5) then return 0 end
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'value', ARGV[3])
if ARGV[4] == '0' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
"""
)

#: KEYS counts; ARGV span ms, amount -> total. Ten buckets of a tenth of the span each, numbered by the time.
_ADD = (
    _NOW
    + """
local width = math.max(1, math.floor(ARGV[1] / 10))
local bucket = math.floor(now / width)
if ARGV[2] ~= '0' then
  redis.call('HINCRBY', KEYS[1], string.format('%.0f', bucket), ARGV[2])
  redis.call('PEXPIRE', KEYS[1], width * 10)
end
local total = 0
local counts = redis.call('HGETALL', KEYS[1])
for at = 1, #counts, 2 do
  if tonumber(counts[at]) <= bucket - 10 then redis.call('HDEL', KEYS[1], counts[at])
  else total = total + counts[at + 1] end
end
return total
"""
)


class RedisCoordination:
    """The protocol of `celeriac.coordination.protocol` on one Redis."""

    def __init__(self, url: str) -> None:
        """Take the store at a redis://, rediss:// or unix:// URL; nothing is connected yet."""
        self._client = open_redis(url)
        self._url = url
        scripts = {
            "acquire": _ACQUIRE, "renew": _RENEW, "current": _CURRENT, "claim": _CLAIM,
            "unclaim": _UNCLAIM, "swap": _SWAP, "add": _ADD, "turn": TURN, "place": PLACE,
        }  # fmt: skip
        self._scripts = {name: load_script(self._client, text) for name, text in scripts.items()}

    @property
    def at(self) -> str:
        return redacted(self._url)

    def close(self) -> None:
        self._client.close()

    def acquire(self, name: str, holder: str, ttl: timedelta) -> Term | None:
        number = self._run("acquire", [_key("lease", name)], holder, _ms(ttl))
        return Term(name, holder, int(number)) if number else None

    def renew(self, term: Term, ttl: timedelta) -> bool:
        return bool(self._run("renew", [_key("lease", term.name)], term.holder, term.number, _ms(ttl)))

    def release(self, term: Term) -> bool:
        return bool(self._run("renew", [_key("lease", term.name)], term.holder, term.number, 0))

    def current(self, name: str) -> Term | None:
        found = self._run("current", [_key("lease", name)])
        return Term(name, found[0].decode(), int(found[1])) if found else None

    def claim(self, key: str, owner: str, ttl: timedelta) -> bool:
        return bool(self._run("claim", [_key("claim", key)], owner, _ms(ttl)))

    def unclaim(self, key: str, owner: str) -> bool:
        return bool(self._run("unclaim", [_key("claim", key)], owner))

    def load(self, key: str) -> Versioned | None:
        with self._worded():
            read: Any = self._client.hmget(_key("document", key), ["value", "version"])
        return None if read[1] is None else Versioned(read[0], int(read[1]))

    def swap(
        self, key: str, version: int, value: bytes, ttl: timedelta | None = None, under: Term | None = None
    ) -> int:
        keys = [_key("document", key), _key("lease", under.name) if under else _key("document", key)]
        fence = (under.holder, under.number) if under else ("", "")
        fresh, ttl_ms = new_version(), 0 if ttl is None else _ms(ttl)
        is_done = self._run("swap", keys, version, fresh, value, ttl_ms, *fence)
        return fresh if is_done else ABSENT

    def add(self, key: str, span: timedelta, amount: int = 1) -> int:
        return int(self._run("add", [_key("count", key)], _ms(span), amount))

    def clear(self, key: str) -> None:
        with self._worded():
            self._client.delete(_key("count", key))

    def take_turn(self, key: str, who: str, pace: Pace, patience: timedelta | None = None) -> timedelta:
        apart, limit = micros(pace.apart), -1 if patience is None else max(micros(patience), 0)
        keys = [_key("line", key), _key("place", f"{key}:{who}")]
        wait = self._run("turn", keys, apart, micros(pace.slack), limit, micros(KEPT), RUN)
        return timedelta(microseconds=int(wait))

    def place(self, key: str, who: str) -> timedelta | None:
        wait = int(self._run("place", [_key("place", f"{key}:{who}")]))
        return None if wait < 0 else timedelta(microseconds=wait)

    def _run(self, name: str, keys: Sequence[str], *args: str | int | bytes) -> Any:
        with self._worded():
            return self._scripts[name](keys=keys, args=list(args))

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except (NoConnection, NoAnswer, BusyLoadingError, ReadOnlyError) as error:
            raise CoordinationUnavailable(
                "COORD-003",
                f"the coordination store cannot be used now: {redacted(str(error))}.",
                at=self.at,
                fix="start the server, or mend [celeriac].coordination",
            ) from error
        except RedisError as error:
            raise CoordinationError(
                "COORD-004", f"the coordination store failed: {redacted(str(error))}.", at=self.at
            ) from error


def _key(kind: str, name: str) -> str:
    return f"{{celeriac}}:{kind}:{name}"


def _ms(span: timedelta) -> int:
    return max(1, round(span.total_seconds() * 1000))
