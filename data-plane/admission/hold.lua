-- Takes one request, its tokens and its worst-case cost, all or nothing.
-- KEYS 1 quota-open marker   2 wallet   3 rate buckets   4 wallets of the caller's spool
-- ARGV 1 run id the caller knows   2 spool   3 hold (nano-USD)   4 granted so far   5 returned so far
--      6 rpm limit   7 tpm limit   8 tokens   9 account id
-- Returns {'held', second, free after}, {'rpm', retry ms}, {'tpm', retry ms}, {'short', free}, {'none'} or {'closed'}.
-- Invariants: requests and tokens in any 61 one-second buckets never exceed the limits; the sum of holds never exceeds
-- the balance. Amounts are compared as doubles: exact up to 9 million USD, within 2 nano-USD for larger wallets.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'closed'} end

local time = redis.call('TIME')
local now = tonumber(time[1])
local millis = math.floor(tonumber(time[2]) / 1000)
local rpm, tpm, tokens = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

local fields = redis.call('HGETALL', KEYS[3])
local requests, reserved, used_requests, used_tokens, seconds, stale = {}, {}, 0, 0, {}, {}
for i = 1, #fields, 2 do
  local kind, second = string.sub(fields[i], 1, 1), tonumber(string.sub(fields[i], 2))
  local amount = tonumber(fields[i + 1])
  if second < now - 60 then
    stale[#stale + 1] = fields[i]
  elseif kind == 'r' then
    requests[second] = amount
    used_requests = used_requests + amount
    seconds[#seconds + 1] = second
  else
    reserved[second] = amount
    used_tokens = used_tokens + amount
  end
end
if #stale > 0 then redis.call('HDEL', KEYS[3], unpack(stale)) end

-- Ms until enough of `amounts` has left the window for `wanted` more to fit.
local function retry_after(amounts, used, wanted, limit)
  table.sort(seconds)
  for _, second in ipairs(seconds) do
    used = used - (amounts[second] or 0)
    if used + wanted <= limit then return (second + 61 - now) * 1000 - millis end
  end
  return 61000
end
if used_requests + 1 > rpm then return {'rpm', retry_after(requests, used_requests, 1, rpm)} end
if used_tokens + tokens > tpm then return {'tpm', retry_after(reserved, used_tokens, tokens, tpm)} end

local wallet = redis.call('HGETALL', KEYS[2])
local balance, granted, returned, settled = nil, {}, {}, {}
for i = 1, #wallet, 2 do
  local field, value = wallet[i], wallet[i + 1]
  local kind, spool = string.sub(field, 1, 2), string.sub(field, 3)
  if field == 'balance' then balance = tonumber(value)
  elseif kind == 'g:' then granted[spool] = tonumber(value)
  elseif kind == 'r:' then returned[spool] = tonumber(value)
  elseif kind == 's:' then settled[spool] = tonumber(value)
  end
end
if balance == nil then return {'none'} end

-- The caller's own counters win when they are larger: Redis may have lost the last moments before a restart.
local spool = ARGV[2]
local own_granted, own_returned = tonumber(ARGV[4]), tonumber(ARGV[5])
if own_granted > (granted[spool] or 0) then
  granted[spool] = own_granted
  redis.call('HSET', KEYS[2], 'g:' .. spool, ARGV[4])
end
if own_returned > (returned[spool] or 0) then
  returned[spool] = own_returned
  redis.call('HSET', KEYS[2], 'r:' .. spool, ARGV[5])
end

local free = balance
for name, amount in pairs(granted) do
  free = free - math.max(0, amount - (returned[name] or 0) - (settled[name] or 0))
end
local hold = tonumber(ARGV[3])
if hold > free or free <= 0 then return {'short', string.format('%.0f', free)} end

redis.call('HINCRBY', KEYS[2], 'g:' .. spool, ARGV[3])
redis.call('SADD', KEYS[4], ARGV[9])
redis.call('HINCRBY', KEYS[3], 'r' .. now, 1)
redis.call('HINCRBY', KEYS[3], 't' .. now, ARGV[8])
redis.call('EXPIRE', KEYS[3], 120)
return {'held', now, string.format('%.0f', free - hold)}
