-- Put results on record where the order of writes lets them stand (see celeriac/backends/order.py), and wake who waits.
-- KEYS: for each result its own, and that of its run. ARGV: for each eight: payload, milliseconds it is kept (0: for good),
--   state, "1" if the payload begins with its state for all to see, line ("" if the write is from outside of any run), and
--   generation, retries, deliveries of its run.
-- Gives for each: 1 it stands, 0 a later run has written, 2 a success is on record.
local said = {}
for i = 0, #KEYS / 2 - 1 do
  local key, run_key, a = KEYS[i * 2 + 1], KEYS[i * 2 + 2], i * 8
  local payload, keep, state, evident, line = unpack(ARGV, a + 1, a + 5)
  local on_record, run = unpack(redis.call('MGET', key, run_key))
  local verdict = 1
  if on_record then
    local state_before, line_before, g, r, d = '', '', 0, 0, 0
    if run then
      state_before, line_before, g, r, d = unpack(cjson.decode(run))
    end
    if state_before == 'SUCCESS' or on_record:sub(1, 20) == '{"status": "SUCCESS"' then
      verdict = 2
    elseif line ~= '' and line_before == line then
      local mine = { tonumber(ARGV[a + 6]), tonumber(ARGV[a + 7]), tonumber(ARGV[a + 8]) }
      local theirs = { g, r, d }
      for n = 1, 3 do
        if theirs[n] ~= mine[n] then
          if theirs[n] > mine[n] then
            verdict = 0
          end
          break
        end
      end
    end
    if line == '' and run then
      line, ARGV[a + 6], ARGV[a + 7], ARGV[a + 8] = line_before, g, r, d
    end
  end
  if verdict == 1 then
    local numbered = tonumber(ARGV[a + 6]) + tonumber(ARGV[a + 7]) + tonumber(ARGV[a + 8]) > 0
    local keeps = tonumber(keep) > 0
    if keeps then
      redis.call('SET', key, payload, 'PX', keep)
    else
      redis.call('SET', key, payload)
    end
    -- A first run says nothing that its absence does not say: nothing is earlier than it.
    if numbered or evident ~= '1' then
      local record = cjson.encode({
        evident == '1' and '' or state,
        line,
        tonumber(ARGV[a + 6]),
        tonumber(ARGV[a + 7]),
        tonumber(ARGV[a + 8]),
      })
      if keeps then
        redis.call('SET', run_key, record, 'PX', keep)
      else
        redis.call('SET', run_key, record)
      end
    elseif run then
      redis.call('DEL', run_key)
    end
    redis.call('PUBLISH', key, payload)
  end
  said[i + 1] = verdict
end
return said
