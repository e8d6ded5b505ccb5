-- After a wipe: reserves in one wallet what the spool of an ended process has spent and Postgres may not have settled yet.
-- KEYS 1 wallet   2 wallets of the spool   ARGV 1 spool   2 name of the wallet   3 nano-USD
-- As far as counters of the ended process are still there, they reserve it already.
local function figure(kind) return tonumber(redis.call('HGET', KEYS[1], kind .. ARGV[1]) or '0') end
local lent = math.max(0, figure('g:') - figure('r:') - figure('s:'))
local missing = tonumber(ARGV[3]) - lent
if missing > 0 then
  redis.call('HSET', KEYS[1], 'b:' .. ARGV[1], string.format('%.0f', missing))
  redis.call('SADD', KEYS[2], ARGV[2])
end
redis.call('HDEL', KEYS[1], 'x:' .. ARGV[1])
return 1
