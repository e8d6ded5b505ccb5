-- Takes one request, its tokens and its money, all or nothing; lends slices for the requests to come on top.
-- KEYS 1 quota-open marker   2 rate buckets   3 wallets of the caller's spool   4.. wallets to take from
-- ARGV 1 run id the caller knows   2 spool   3 recall channel   4 rpm limit   5 tpm limit
--      6 requests needed   7 tokens needed   8 requests wanted on top   9 tokens wanted on top   10 '1': `least` will do
--      then ten per wallet: name   limit, or '' where the balance is the limit   granted so far   returned so far
--      idle (lent and held by no request)   need   least   wanted on top   typical hold   seconds to keep it, or 0
-- Returns {'held', second, remaining requests, remaining tokens, ms to a full request limit, ms to a full token limit,
--      requests on top, tokens on top, 0 or 1 (`least` was taken), then per wallet: lent, free after it},
--   {'rpm' or 'tpm', retry ms, the same four figures}, {'short', index of the wallet, free, 1 if a recall may help},
--   {'none'} (no such account), {'blocked'} (a silent spool may be spending it) or {'closed'} (figures are being seeded).
-- Invariants: what is taken in any 60 s never exceeds the limits; what is lent never exceeds what is free. Amounts are
-- doubles: exact up to 9 million USD, within 2 nano-USD for larger wallets.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'closed'} end

local TYPICAL_HOLDS_KEPT_FREE = 20
local PER_WALLET = 10
local spool = ARGV[2]
local time = redis.call('TIME')
local now = tonumber(time[1])
local millis = math.floor(tonumber(time[2]) / 1000)
local rpm, tpm = tonumber(ARGV[4]), tonumber(ARGV[5])
local requests, tokens = tonumber(ARGV[6]), tonumber(ARGV[7])
local more_requests, more_tokens = tonumber(ARGV[8]), tonumber(ARGV[9])

local function text(amount) return string.format('%.0f', amount) end

-- Rates: one-second buckets, each counted for 60 s after it ends.
local rated = requests + tokens + more_requests > 0
local figures = {-1, -1, 0, 0}
if rated then
  local fields = redis.call('HGETALL', KEYS[2])
  local taken = {r = {}, t = {}}
  local used = {r = 0, t = 0}
  local newest = {r = 0, t = 0}
  local seconds, seen, stale = {}, {}, {}
  for i = 1, #fields, 2 do
    local kind, second = string.sub(fields[i], 1, 1), tonumber(string.sub(fields[i], 2))
    local amount = tonumber(fields[i + 1])
    if second < now - 60 then
      stale[#stale + 1] = fields[i]
    elseif amount > 0 then
      taken[kind][second] = amount
      used[kind] = used[kind] + amount
      if second > newest[kind] then newest[kind] = second end
      if not seen[second] then
        seen[second] = true
        seconds[#seconds + 1] = second
      end
    end
  end
  if #stale > 0 then redis.call('HDEL', KEYS[2], unpack(stale)) end

  local function until_gone(second) return math.max(0, (second + 61 - now) * 1000 - millis) end
  -- Ms until enough has left the window for `wanted` more to fit.
  local function retry_after(kind, wanted, limit)
    table.sort(seconds)
    local rest = used[kind]
    for _, second in ipairs(seconds) do
      rest = rest - (taken[kind][second] or 0)
      if rest + wanted <= limit then return until_gone(second) end
    end
    return 61000
  end
  local function standing(extra_requests, extra_tokens)
    local reset_requests, reset_tokens = newest.r, newest.t
    if extra_requests > 0 then reset_requests = now end
    if extra_tokens > 0 then reset_tokens = now end
    return {
      math.max(0, rpm - used.r - extra_requests), math.max(0, tpm - used.t - extra_tokens),
      until_gone(reset_requests), until_gone(reset_tokens),
    }
  end
  local refusal = nil
  if used.r + requests > rpm then refusal = {'rpm', retry_after('r', requests, rpm)}
  elseif used.t + tokens > tpm then refusal = {'tpm', retry_after('t', tokens, tpm)}
  end
  if refusal ~= nil then
    for _, figure in ipairs(standing(0, 0)) do refusal[#refusal + 1] = figure end
    return refusal
  end
  -- A slice takes at most half of what is left, so that no process starves the others.
  more_requests = math.max(0, math.min(more_requests, math.floor((rpm - used.r - requests) / 2)))
  more_tokens = math.max(0, math.min(more_tokens, math.floor((tpm - used.t - tokens) / 2)))
  if more_requests == 0 or more_tokens == 0 then more_requests, more_tokens = 0, 0 end
  figures = standing(requests + more_requests, tokens + more_tokens)
end

-- Money and requests in flight.
local wallets = {}
for index = 1, #KEYS - 3 do
  local at = 11 + (index - 1) * PER_WALLET
  local key = KEYS[index + 3]
  local fields = redis.call('HGETALL', key)
  local granted, returned, settled, idle = {}, {}, {}, {}
  local balance, reserved = nil, 0
  for i = 1, #fields, 2 do
    local field, value = fields[i], tonumber(fields[i + 1])
    local kind, name = string.sub(field, 1, 2), string.sub(field, 3)
    if field == 'balance' then balance = value
    elseif kind == 'g:' then granted[name] = value
    elseif kind == 'r:' then returned[name] = value
    elseif kind == 's:' then settled[name] = value
    elseif kind == 'i:' then idle[name] = value
    elseif kind == 'b:' or kind == 'x:' then
      -- The caller speaks for itself: its own counters replace what was reserved on its behalf.
      if name == spool then redis.call('HDEL', key, field)
      elseif kind == 'x:' then return {'blocked'}
      else reserved = reserved + value
      end
    end
  end
  local limit = ARGV[at + 1]
  if limit == '' and balance == nil then return {'none'} end

  -- The caller's own counters win when they are larger: Redis may have lost the last moments before a restart.
  local own_granted, own_returned = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if own_granted > (granted[spool] or 0) then
    granted[spool] = own_granted
    redis.call('HSET', key, 'g:' .. spool, ARGV[at + 2])
  end
  if own_returned > (returned[spool] or 0) then
    returned[spool] = own_returned
    redis.call('HSET', key, 'r:' .. spool, ARGV[at + 3])
  end

  local free = (tonumber(limit) or 0) + (balance or 0) - reserved
  local elsewhere, spools = 0, granted[spool] and 0 or 1
  for name, amount in pairs(granted) do
    local lent = math.max(0, amount - (returned[name] or 0) - (settled[name] or 0))
    free = free - lent
    spools = spools + 1
    if name ~= spool then elsewhere = elsewhere + math.min(lent, idle[name] or 0) end
  end
  wallets[index] = {
    key = key, name = ARGV[at], free = free, elsewhere = elsewhere, spools = spools,
    had_idle = idle[spool] ~= nil, idle = tonumber(ARGV[at + 4]),
    need = tonumber(ARGV[at + 5]), least = tonumber(ARGV[at + 6]), more = tonumber(ARGV[at + 7]),
    typical = tonumber(ARGV[at + 8]), keep_seconds = tonumber(ARGV[at + 9]),
  }
end

local function first_short(amount)
  for index, wallet in ipairs(wallets) do
    if wallet[amount] > 0 and wallet[amount] > wallet.free then return index end
  end
  return 0
end
local amount = 'need'
local short = first_short(amount)
if short > 0 and ARGV[10] == '1' then
  amount = 'least'
  short = first_short(amount)
end
if short > 0 then
  local wallet = wallets[short]
  local recalled = 0
  if wallet.elsewhere > 0 and wallet[amount] <= wallet.free + wallet.elsewhere then
    redis.call('PUBLISH', ARGV[3], wallet.name)
    recalled = 1
  end
  return {'short', short - 1, text(wallet.free), recalled}
end

local answer = {
  'held', now, figures[1], figures[2], figures[3], figures[4], more_requests, more_tokens, amount == 'least' and 1 or 0,
}
for _, wallet in ipairs(wallets) do
  local lent = wallet[amount]
  local spare = wallet.free - lent - TYPICAL_HOLDS_KEPT_FREE * wallet.typical * wallet.spools
  local on_top = math.max(0, math.min(wallet.more, math.floor(spare / (2 * wallet.spools))))
  local idle = wallet.idle + on_top
  lent = lent + on_top
  if lent > 0 then
    redis.call('HINCRBY', wallet.key, 'g:' .. spool, text(lent))
    redis.call('SADD', KEYS[3], wallet.name)
    if wallet.keep_seconds > 0 then redis.call('EXPIRE', wallet.key, wallet.keep_seconds) end
  end
  if idle > 0 then redis.call('HSET', wallet.key, 'i:' .. spool, text(idle))
  elseif wallet.had_idle then redis.call('HDEL', wallet.key, 'i:' .. spool)
  end
  answer[#answer + 1] = text(lent)
  answer[#answer + 1] = text(wallet.free - lent)
end

if rated then
  if requests > 0 then redis.call('HINCRBY', KEYS[2], 'r' .. now, requests) end
  if tokens > 0 then redis.call('HINCRBY', KEYS[2], 't' .. now, tokens) end
  -- A slice is used within a second of now, so it is counted where its last request may fall.
  if more_requests > 0 then
    redis.call('HINCRBY', KEYS[2], 'r' .. (now + 1), more_requests)
    redis.call('HINCRBY', KEYS[2], 't' .. (now + 1), more_tokens)
  end
  redis.call('EXPIRE', KEYS[2], 120)
end
return answer
