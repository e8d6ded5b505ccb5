-- Publishes a wallet's balance and what has been settled in it from one spool.
-- KEYS 1 wallet   2 spools with figures in wallets   3 wallets of the spool
-- ARGV 1 sequence   2 balance (nano-USD)   3 spool or ''   4 settled from that spool, in all (nano-USD)
--      5 name of the wallet   6 recall channel, or '' where the balance does not bound what is free
-- Invariants: a balance with a lower sequence than the known one is ignored; `settled` never falls.
local known = redis.call('HGET', KEYS[1], 'sequence')
if not known or tonumber(ARGV[1]) >= tonumber(known) then
  redis.call('HSET', KEYS[1], 'balance', ARGV[2], 'sequence', ARGV[1])
end
if ARGV[3] ~= '' then
  redis.call('SADD', KEYS[2], ARGV[3])
  redis.call('SADD', KEYS[3], ARGV[5])
  local field = 's:' .. ARGV[3]
  local settled = redis.call('HGET', KEYS[1], field)
  if not settled or tonumber(ARGV[4]) > tonumber(settled) then redis.call('HSET', KEYS[1], field, ARGV[4]) end
end
if ARGV[6] == '' then return 1 end

-- A refund or dispute may leave less than is lent: what lies idle in slices is called back.
local fields = redis.call('HGETALL', KEYS[1])
local balance, outstanding, idle = 0, {}, false
for i = 1, #fields, 2 do
  local kind, spool, value = string.sub(fields[i], 1, 2), string.sub(fields[i], 3), tonumber(fields[i + 1])
  if fields[i] == 'balance' then balance = value
  elseif kind == 'g:' then outstanding[spool] = (outstanding[spool] or 0) + value
  elseif kind == 'r:' or kind == 's:' then outstanding[spool] = (outstanding[spool] or 0) - value
  elseif kind == 'i:' then idle = true
  end
end
if not idle then return 1 end
local free = balance
for _, amount in pairs(outstanding) do free = free - math.max(0, amount) end
if free < 0 then redis.call('PUBLISH', ARGV[6], ARGV[5]) end
return 1
