-- Make held messages of a queue ready again, in their old places.
-- KEYS: the 16 of the queue. ARGV: 1 "-" to leave no mark, "0" to mark them as redelivered, "1" to count a death too,
--   2 seconds marks are kept; then the numbers, the latest first.
-- Gives how many were still held.
redis.call('SREM', KEYS[14], '') -- see fetch.lua: also where memory is full
local given = 0
for i = 3, #ARGV do
  local parked = redis.call('HGET', KEYS[13], ARGV[i])
  if parked then
    local message = parked:sub(2)
    redis.call('HDEL', KEYS[13], ARGV[i])
    redis.call('SREM', KEYS[14], ARGV[i])
    redis.call('RPUSH', KEYS[1 + tonumber(parked:sub(1, 1))], message)
    if ARGV[1] ~= '-' then
      redis.call('HINCRBY', KEYS[15], redis.sha1hex(message), ARGV[1])
      redis.call('EXPIRE', KEYS[15], ARGV[2])
    end
    given = given + 1
  end
end
return given
