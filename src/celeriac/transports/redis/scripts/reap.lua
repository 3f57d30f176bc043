-- Give back what a consumer holds that is gone, counting what it had started.
-- KEYS: the 16 of the queue, held and started those of the consumer that is gone.
-- ARGV: 1 that consumer, 2 the end of its lease as it was seen, or "" if it leaves by itself, 3 seconds marks are kept.
-- Gives {messages, of these started}; nothing if it has renewed meanwhile, or somebody else was quicker.
local ends = redis.call('ZSCORE', KEYS[12], ARGV[1])
if not ends or (ARGV[2] ~= '' and ends ~= ARGV[2]) then
  return false
end
redis.call('ZREM', KEYS[12], ARGV[1])
local numbers = redis.call('HKEYS', KEYS[13])
table.sort(numbers, function(a, b)
  return tonumber(a) > tonumber(b)
end)
local started = 0
for _, number in ipairs(numbers) do
  local parked = redis.call('HGET', KEYS[13], number)
  local message = parked:sub(2)
  local died = 0
  if ARGV[2] ~= '' then
    died = redis.call('SISMEMBER', KEYS[14], number)
  end
  redis.call('RPUSH', KEYS[1 + tonumber(parked:sub(1, 1))], message)
  redis.call('HINCRBY', KEYS[15], redis.sha1hex(message), died)
  started = started + died
end
if #numbers > 0 then
  redis.call('EXPIRE', KEYS[15], ARGV[3])
end
redis.call('DEL', KEYS[13], KEYS[14])
return { #numbers, started }
