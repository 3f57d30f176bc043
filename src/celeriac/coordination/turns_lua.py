"""Turns as scripts for Redis: the rule of celeriac.coordination.turns, in one step on the server."""

from __future__ import annotations

_MICROS = "local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]\n"

#: KEYS line, place; ARGV apart, slack, patience (-1: none), kept, apart // SPARE -> wait; all in microseconds.
TURN = (
    _MICROS
    + """
local apart, slack, patience, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local line = redis.call('HMGET', KEYS[1], 'free', 'last', 'late', 'apart')
local free = math.min(tonumber(line[1] or 0), now + slack + apart)
local last, late = tonumber(line[2] or 0), tonumber(line[3] or 0)
local step = apart + ARGV[5]
if tonumber(line[4] or 0) ~= apart then last, late = now - step, now - step end
local half = math.floor(slack / 2)
local place = tonumber(redis.call('GET', KEYS[2]) or nil)
if place and place - half > now then return place - now end
local wait = 0
if free - slack <= now and (place or math.max(last, late) <= now) then
  free = math.max(free, now) + apart
  if place then redis.call('DEL', KEYS[2]) end
else
  local behind = late
  if not place then behind = math.max(last, late) end
  local given = math.max(free - half, behind + step)
  wait = given - now
  if not place and patience >= 0 and wait > patience then return wait end
  if place then late = given else last = given end
  redis.call('SET', KEYS[2], string.format('%.0f', given), 'PX', string.format('%.0f', (wait + kept) / 1000))
end
redis.call('HSET', KEYS[1], 'free', string.format('%.0f', free), 'last', string.format('%.0f', last),
  'late', string.format('%.0f', late), 'apart', ARGV[1])
local ends = math.max(free, last, late) - now + kept
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
