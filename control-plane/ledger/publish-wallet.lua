-- Publishes an account's ledger balance and what has been settled from one spool.
-- KEYS 1 wallet   ARGV 1 sequence   2 balance (nano-USD)   3 spool or ''   4 settled from that spool, in all (nano-USD)
-- Invariants: a balance with a lower sequence than the known one is ignored; `settled` never falls.
local known = redis.call('HGET', KEYS[1], 'sequence')
if not known or tonumber(ARGV[1]) >= tonumber(known) then
  redis.call('HSET', KEYS[1], 'balance', ARGV[2], 'sequence', ARGV[1])
end
if ARGV[3] ~= '' then
  local field = 's:' .. ARGV[3]
  local settled = redis.call('HGET', KEYS[1], field)
  if not settled or tonumber(ARGV[4]) > tonumber(settled) then redis.call('HSET', KEYS[1], field, ARGV[4]) end
end
return 1
