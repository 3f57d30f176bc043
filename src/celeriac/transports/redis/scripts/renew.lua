-- Renew a consumer's lease on a queue, unless somebody has acted on its end.
-- KEYS: 1 leases. ARGV: 1 consumer, 2 milliseconds, 3 "1" to begin a lease.
-- Gives {1 if it holds, consumer, end of its lease, …} of all consumers.
redis.call('ZREM', KEYS[1], '') -- see fetch.lua: also where memory is full
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holds = ARGV[3] == '1' or redis.call('ZSCORE', KEYS[1], ARGV[1])
if holds then
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
end
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
table.insert(all, 1, holds and '1' or '0')
return all
