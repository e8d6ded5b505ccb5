-- Raises a spool's counters in one wallet to what the process itself knows, and corrects a rate bucket.
-- KEYS 1 wallet   2 wallets of the caller's spool   3 rate buckets
-- ARGV 1 spool   2 granted   3 returned   4 account id   5 second of the bucket or 0   6 tokens to add (may be negative)
-- Invariant: a counter never falls, so a late or repeated call is harmless.
local function raise(field, value)
  local known = redis.call('HGET', KEYS[1], field)
  if not known or tonumber(value) > tonumber(known) then redis.call('HSET', KEYS[1], field, value) end
end
raise('g:' .. ARGV[1], ARGV[2])
raise('r:' .. ARGV[1], ARGV[3])
redis.call('SADD', KEYS[2], ARGV[4])
local second = ARGV[5]
if second ~= '0' and redis.call('HEXISTS', KEYS[3], 't' .. second) == 1 then
  redis.call('HINCRBY', KEYS[3], 't' .. second, ARGV[6])
end
return 1
