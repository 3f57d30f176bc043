-- Note something of a chord that has not fired.
-- KEYS: 1 the chord, 2 its parts. ARGV: 1 "set" or "add", 2 field, 3 value, 4 milliseconds it is kept (0: until it has fired).
if redis.call('HGET', KEYS[1], 'state') ~= 'fired' then
  if ARGV[1] == 'add' then
    redis.call('HINCRBY', KEYS[1], ARGV[2], ARGV[3])
  else
    redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
  end
  if tonumber(ARGV[4]) > 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
  end
end
