-- Store messages, all or none, and at most once for each send.
-- KEYS: 1 the sender; then whatever the messages name by its number.
-- ARGV: 1 number of this send, 2 seconds the sender is remembered, 3 seconds a once-key is remembered; then for each
--   message eight: its list (key), its delayed set (key) or 0, when it is due (epoch ms), its once-key (key) or 0,
--   the queue's bound or 0, the first of its ten lists and its delayed set (key) if it has a bound, its priority, itself.
-- Gives: {"sent"}, {"known"} if this send was stored before, {"full", index of the message, messages there}.
local sent = redis.call('GET', KEYS[1])
if sent and tonumber(sent) >= tonumber(ARGV[1]) then
  return { 'known' }
end
local added = {}
for i = 4, #ARGV, 8 do
  local bound = tonumber(ARGV[i + 4])
  if bound > 0 then
    local first = tonumber(ARGV[i + 5])
    local length = added[first] or 0
    for k = first, first + 9 do
      length = length + redis.call('LLEN', KEYS[k])
    end
    length = length + redis.call('ZCARD', KEYS[first + 10])
    if length >= bound then
      return { 'full', (i - 4) / 8, length }
    end
    added[first] = (added[first] or 0) + 1
  end
end
for i = 4, #ARGV, 8 do
  local once = tonumber(ARGV[i + 3])
  if once == 0 or redis.call('SET', KEYS[once], '1', 'NX', 'EX', ARGV[3]) then
    local delayed = tonumber(ARGV[i + 1])
    if delayed > 0 then
      redis.call('ZADD', KEYS[delayed], ARGV[i + 2], ARGV[i + 6] .. ARGV[i + 7])
    else
      redis.call('LPUSH', KEYS[tonumber(ARGV[i])], ARGV[i + 7])
    end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return { 'sent' }
