-- Take a held message out of its queue for good, and put what it has become somewhere else.
-- KEYS: 1 held, 2 started, 3 returned, 4 where it goes. ARGV: 1 its number, 2 its mark or "", 3 "" to push on a list,
--   else the score in a sorted set, 4 what it has become, "" for what it was with its priority's digit;
--   5 "1" if it was never held.
-- Gives 1, or 0 if it was not ours any more.
local parked = redis.call('HGET', KEYS[1], ARGV[1])
if not parked and ARGV[5] ~= '1' then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SREM', KEYS[2], ARGV[1])
if ARGV[2] ~= '' then
  redis.call('HDEL', KEYS[3], ARGV[2])
end
local become = ARGV[4] ~= '' and ARGV[4] or parked
if ARGV[3] == '' then
  redis.call('LPUSH', KEYS[4], become)
else
  redis.call('ZADD', KEYS[4], ARGV[3], become)
end
return 1
