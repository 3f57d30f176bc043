-- Write acks, ripen delayed messages, and move ready ones to the consumer: first queue first, bigger priority first.
-- KEYS: 16 for each queue: lists of priority 0 to 9, delayed, leases, held, started, returned, number.
-- ARGV: 1 consumer, 2 messages at most for queues with acks, 3 the same for those without; then for each queue:
--   1 if read with acks, how many acks follow, the acks (numbers), how many marks to forget follow, the marks.
-- Gives: {acks that were still ours, 1 if the lease is ours, due time of the next delayed message (epoch ms) or "",
--   runs of messages as "queue priority first-number length length …;…", the messages in a row, cut between messages,
--   "place:count …" of those that went back before}.
-- A server whose memory is full refuses a script's first write if it may grow, and no later one: reading must go on.
redis.call('SREM', KEYS[14], '')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local consumer, room, room_without = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local queues = #KEYS / 16
local removed, ours, arg = 0, 1, 4
local acking = {}
for q = 0, queues - 1 do
  local k = q * 16
  acking[q] = ARGV[arg] == '1'
  local acks = tonumber(ARGV[arg + 1])
  local gone = 0
  arg = arg + 2
  if acks > 0 then
    gone = redis.call('HDEL', KEYS[k + 13], unpack(ARGV, arg, arg + acks - 1))
    removed = removed + gone
    redis.call('SREM', KEYS[k + 14], unpack(ARGV, arg, arg + acks - 1))
    arg = arg + acks
  end
  local marks = tonumber(ARGV[arg])
  arg = arg + 1
  if marks > 0 then
    -- See ack.lua: a late ack forgets nothing.
    if gone == acks then
      redis.call('HDEL', KEYS[k + 15], unpack(ARGV, arg, arg + marks - 1))
    end
    arg = arg + marks
  end
  if acking[q] and not redis.call('ZSCORE', KEYS[k + 12], consumer) then
    ours = 0
  end
end

-- Each copy that Lua makes of a large message is memory that the server asks the system for: few at once, none joined.
local bytes_left, large = 1048576, 16384
local function pop(list, limit)
  local got, portion = {}, math.min(limit, 8)
  while portion > 0 do
    local more = redis.call('RPOP', list, portion) or {}
    for _, message in ipairs(more) do
      got[#got + 1] = message
      bytes_left = bytes_left - #message
    end
    if #more < portion or bytes_left <= 0 then
      break
    end
    local average = (1048576 - bytes_left) / #got
    portion = math.min(limit - #got, math.max(1, math.floor(bytes_left / math.max(1, average))))
  end
  return got
end

local due = ''
local runs, bodies, small, notes = {}, {}, {}, {}
local function join()
  if #small > 0 then
    bodies[#bodies + 1] = table.concat(small)
    small = {}
  end
end
local place = 0
for q = 0, queues - 1 do
  local k = q * 16
  local first = redis.call('ZRANGE', KEYS[k + 11], 0, 0, 'WITHSCORES')
  if first[1] and tonumber(first[2]) <= now then
    local ripe = redis.call('ZRANGEBYSCORE', KEYS[k + 11], '-inf', now, 'LIMIT', 0, 200)
    for _, parked in ipairs(ripe) do
      redis.call('LPUSH', KEYS[k + 1 + tonumber(parked:sub(1, 1))], parked:sub(2))
      redis.call('ZREM', KEYS[k + 11], parked)
    end
    first = redis.call('ZRANGE', KEYS[k + 11], 0, 0, 'WITHSCORES')
  end
  if first[1] and (due == '' or tonumber(first[2]) < due) then
    due = tonumber(first[2])
  end
  local limit = acking[q] and (ours == 1 and room or 0) or room_without
  -- Most queues know one priority: one question for the other nine lists, in place of nine.
  local highest = limit > 0 and redis.call('EXISTS', unpack(KEYS, k + 2, k + 10)) > 0 and 9 or 0
  for p = highest, 0, -1 do
    if limit <= 0 or bytes_left <= 0 then
      break
    end
    local got = pop(KEYS[k + 1 + p], limit)
    if #got > 0 then
      local number = 0
      if acking[q] then
        number = redis.call('INCRBY', KEYS[k + 16], #got) - #got
        for from = 1, #got, 1000 do
          local pairs_ = {}
          for i = from, math.min(from + 999, #got) do
            pairs_[#pairs_ + 1] = number + i
            pairs_[#pairs_ + 1] = p .. got[i]
          end
          redis.call('HSET', KEYS[k + 13], unpack(pairs_))
        end
      end
      local run = { q, p, number + 1 }
      local went_back = redis.call('EXISTS', KEYS[k + 15]) == 1
      for i = 1, #got do
        run[#run + 1] = #got[i]
        if #got[i] < large then
          small[#small + 1] = got[i]
        else
          join()
          bodies[#bodies + 1] = got[i]
        end
        if went_back then
          local count = redis.call('HGET', KEYS[k + 15], redis.sha1hex(got[i]))
          if count then
            notes[#notes + 1] = place .. ':' .. count
          end
        end
        place = place + 1
      end
      runs[#runs + 1] = table.concat(run, ' ')
      limit = limit - #got
    end
  end
  if acking[q] then
    room = limit
  end
end
join()
return { removed, ours, tostring(due), table.concat(runs, ';'), bodies, table.concat(notes, ' ') }
