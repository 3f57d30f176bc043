-- Give back what a consumer holds that is gone, with a death counted for what it may have been running: for a message
-- that had never gone back before, whether it had started is not known, so it counts; for others, if it is marked.
-- KEYS: the 16 of the queue, held and started those of the consumer that is gone.
-- ARGV: 1 that consumer, 2 the end of its lease as it was seen, or "" if it leaves by itself, 3 seconds marks are kept.
-- Gives {messages, of these counted}; nothing if it has renewed meanwhile, or somebody else was quicker.
local ends = redis.call('ZSCORE', KEYS[12], ARGV[1])
if not ends or (ARGV[2] ~= '' and ends ~= ARGV[2]) then
  return false
end
redis.call('ZREM', KEYS[12], ARGV[1])
local numbers = redis.call('HKEYS', KEYS[13])
table.sort(numbers, function(a, b)
  return tonumber(a) > tonumber(b)
end)
local counted = 0
for _, number in ipairs(numbers) do
  local parked = redis.call('HGET', KEYS[13], number)
  local message = parked:sub(2)
  local mark = redis.sha1hex(message)
  local died = 0
  if ARGV[2] ~= '' then
    died = redis.call('HEXISTS', KEYS[15], mark) == 0 and 1 or redis.call('SISMEMBER', KEYS[14], number)
  end
  redis.call('RPUSH', KEYS[1 + tonumber(parked:sub(1, 1))], message)
  redis.call('HINCRBY', KEYS[15], mark, died)
  counted = counted + died
end
if #numbers > 0 then
  redis.call('EXPIRE', KEYS[15], ARGV[3])
end
redis.call('DEL', KEYS[13], KEYS[14])
return { #numbers, counted }
