-- Write down that a chord's body is published. KEYS: 1 the chord, 2 its parts. ARGV: 1 milliseconds that is remembered (0: for good).
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'state', 'fired')
if tonumber(ARGV[1]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
