"""Turns as scripts for Redis: the rule of celeriac.coordination.turns, in one step on the server."""

from __future__ import annotations

_MICROS = "local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]\n"

#: KEYS line, place; ARGV apart, slack, patience (-1: none), kept, RUN -> wait; all times in microseconds.
TURN = (
    _MICROS
    + """
local apart, slack, patience, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local period = apart * (ARGV[5] + 1)
local line = redis.call('HMGET', KEYS[1], 'free', 'last', 'spare', 'apart')
local free = math.min(tonumber(line[1] or 0), now + slack + apart)
local last, spare = tonumber(line[2] or 0), tonumber(line[3] or 0)
if tonumber(line[4] or 0) ~= apart then last, spare = now - apart, now end
local half = math.floor(slack / 2)
local place = tonumber(redis.call('GET', KEYS[2]) or nil)
if place and place - half > now then return place - now end
local wait = 0
if free - slack <= now and (place or last <= now or free < now) then
  free = math.max(free, now) + apart
  if place then redis.call('DEL', KEYS[2]) end
else
  local soonest, given, next_last, next_spare = free - half, nil, last, spare
  if place then
    local left = spare + math.ceil(math.max(soonest - spare, 0) / period) * period
    if left < last then given, next_spare = left, left + period end
  end
  if not given then
    given = last + apart
    if given < soonest then
      given, next_spare = soonest, soonest + ARGV[5] * apart
    elseif given >= spare and (given - spare) % period == 0 then
      given = given + apart
    end
    next_last = given
  end
  wait = given - now
  if patience >= 0 and wait > patience then
    if place then redis.call('DEL', KEYS[2]) end
    return wait
  end
  last, spare = next_last, next_spare
  redis.call('SET', KEYS[2], string.format('%.0f', given), 'PX', string.format('%.0f', (wait + kept) / 1000))
end
redis.call('HSET', KEYS[1], 'free', string.format('%.0f', free), 'last', string.format('%.0f', last),
  'spare', string.format('%.0f', spare), 'apart', ARGV[1])
local ends = math.max(free, last, spare) - now + kept
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ends / 1000))
return wait
"""
)

#: KEYS place -> microseconds until it is due; -1: there is none
PLACE = (
    _MICROS
    + """
local place = tonumber(redis.call('GET', KEYS[1]) or nil)
if not place then return -1 end
return math.max(place - now, 0)
"""
)
