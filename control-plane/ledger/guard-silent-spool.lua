-- After a wipe: reserves in one wallet what a spool that has not declared its counters may still be spending.
-- KEYS 1 wallet   2 wallets of the spool   3 spools that have declared   4 spools with figures in wallets
-- ARGV 1 spool   2 name of the wallet   3 what it may spend (nano-USD), or '' when that is unknown
if redis.call('SISMEMBER', KEYS[3], ARGV[1]) == 1 then return 0 end
if ARGV[3] == '' then
  redis.call('HSET', KEYS[1], 'x:' .. ARGV[1], '1')
else
  redis.call('HSET', KEYS[1], 'b:' .. ARGV[1], ARGV[3])
end
redis.call('SADD', KEYS[2], ARGV[2])
redis.call('SADD', KEYS[4], ARGV[1])
return 1
