-- Remember the name of a queue. KEYS: 1 the set of names. ARGV: 1 the name.
redis.call('SREM', KEYS[1], '') -- see fetch.lua: also where memory is full, since workers declare what they read
redis.call('SADD', KEYS[1], ARGV[1])
