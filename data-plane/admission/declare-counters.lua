-- Raises a spool's counters in its wallets to what the process itself knows, and corrects rate buckets.
-- KEYS 1 wallets of the caller's spool   2 rate buckets   3.. wallets
-- ARGV 1 spool   2 number of corrections, then three per correction: second of the bucket, requests, tokens to add
--      then four per wallet: name   granted   returned   idle (lent and held by no request)
-- Returns per wallet what Redis knows as granted: more than the caller told if an answer of the lease script got lost.
-- Invariant: a counter never falls, so a late or repeated call is harmless.
local spool = ARGV[1]
local corrections = tonumber(ARGV[2])
for index = 0, corrections - 1 do
  local second = ARGV[3 + 3 * index]
  local added = tonumber(ARGV[4 + 3 * index]) > 0
  local function correct(kind, amount)
    local bucket = kind .. second
    -- What was taken too much goes back where it was taken; a shortfall is charged now. Requests are added only where they
    -- were admitted without asking, and count, with their tokens, from then on.
    if amount > 0 then
      local now = tonumber(redis.call('TIME')[1])
      local at = added and math.min(now, tonumber(second)) or now
      if at >= now - 60 then
        redis.call('HINCRBY', KEYS[2], kind .. string.format('%d', at), amount)
        redis.call('EXPIRE', KEYS[2], 120)
      end
    elseif amount < 0 then
      local known = tonumber(redis.call('HGET', KEYS[2], bucket) or '0')
      if known > 0 then redis.call('HSET', KEYS[2], bucket, string.format('%.0f', math.max(0, known + amount))) end
    end
  end
  correct('r', tonumber(ARGV[4 + 3 * index]))
  correct('t', tonumber(ARGV[5 + 3 * index]))
end

local granted = {}
for index = 1, #KEYS - 2 do
  local key = KEYS[index + 2]
  local at = 3 + 3 * corrections + (index - 1) * 4
  local function raise(field, value)
    local known = redis.call('HGET', key, field)
    if not known or tonumber(value) > tonumber(known) then
      redis.call('HSET', key, field, value)
      return value
    end
    return known
  end
  granted[index] = raise('g:' .. spool, ARGV[at + 1])
  raise('r:' .. spool, ARGV[at + 2])
  if ARGV[at + 3] == '0' then redis.call('HDEL', key, 'i:' .. spool)
  else redis.call('HSET', key, 'i:' .. spool, ARGV[at + 3])
  end
  -- What was reserved on the caller's behalf while it was silent.
  redis.call('HDEL', key, 'b:' .. spool, 'x:' .. spool)
  redis.call('SADD', KEYS[1], ARGV[at])
end
return granted
