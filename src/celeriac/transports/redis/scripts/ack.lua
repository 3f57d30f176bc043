-- Forget held messages of a queue that are done.
-- KEYS: 1 held, 2 started, 3 returned. ARGV: 1 how many numbers follow, the numbers, the marks to forget.
-- Gives how many were still ours.
local numbers = tonumber(ARGV[1])
local removed = redis.call('HDEL', KEYS[1], unpack(ARGV, 2, numbers + 1))
redis.call('SREM', KEYS[2], unpack(ARGV, 2, numbers + 1))
-- Where acks come too late, the messages are others' now, with the deaths that were counted.
if removed == numbers and #ARGV > numbers + 1 then
  redis.call('HDEL', KEYS[3], unpack(ARGV, numbers + 2))
end
return removed
