-- Say who a consumer is. KEYS: 1 its key. ARGV: 1 milliseconds it is kept, then fields and values.
redis.call('DEL', KEYS[1]) -- first, see fetch.lua: also where memory is full
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
