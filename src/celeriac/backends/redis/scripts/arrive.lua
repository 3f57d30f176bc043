-- Take in one part of a chord.
-- KEYS: 1 the chord, 2 its parts, 3 the result of the part's task, 4 its run. ARGV: 1 the part's name, 2 "1" if it failed,
--   3 its payload, 4 milliseconds an unfinished chord is kept (0: until it has fired), 5 line, 6 to 8 generation,
--   retries, deliveries of its run.
-- Gives {size or "", parts added, parts in, of these failed, state}.
local failed, payload = tonumber(ARGV[2]), ARGV[3]
local chord = redis.call('HMGET', KEYS[1], 'size', 'added', 'arrived', 'failed', 'state')
local state = chord[5] or 'open'
local arrived, failures = tonumber(chord[3] or 0), tonumber(chord[4] or 0)
if state ~= 'fired' then
  local counts = true
  local on_record, run = unpack(redis.call('MGET', KEYS[3], KEYS[4]))
  if on_record then
    local state_before, line_before, g, r, d = '', '', 0, 0, 0
    if run then
      state_before, line_before, g, r, d = unpack(cjson.decode(run))
    end
    if state_before == 'SUCCESS' or on_record:sub(1, 20) == '{"status": "SUCCESS"' then
      failed, payload = 0, on_record
    elseif ARGV[5] ~= '' and line_before == ARGV[5] then
      local mine = { tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]) }
      local theirs = { g, r, d }
      for n = 1, 3 do
        if theirs[n] ~= mine[n] then
          counts = theirs[n] < mine[n]
          break
        end
      end
    end
  end
  if counts then
    local known = redis.call('HGET', KEYS[2], ARGV[1])
    if not known then
      arrived, failures = arrived + 1, failures + failed
      redis.call('HSET', KEYS[2], ARGV[1], failed .. payload)
    elseif known:sub(1, 1) == '1' then
      failures = failures + failed - 1
      redis.call('HSET', KEYS[2], ARGV[1], failed .. payload)
    end
  end
  redis.call('HSET', KEYS[1], 'arrived', arrived, 'failed', failures)
  for k = 1, 2 do
    if tonumber(ARGV[4]) > 0 then
      redis.call('PEXPIRE', KEYS[k], ARGV[4])
    end
  end
end
return { chord[1] or '', tonumber(chord[2] or 0), arrived, failures, state }
