-- After a wipe: reserves in one wallet what the spool of an ended process has spent and Postgres may not have settled yet.
-- KEYS 1 wallet   2 wallets of the spool   ARGV 1 spool   2 name of the wallet   3 nano-USD
-- Where the counters of the ended process are still there, they reserve at least as much.
if redis.call('HEXISTS', KEYS[1], 'g:' .. ARGV[1]) == 0 then
  redis.call('HSET', KEYS[1], 'b:' .. ARGV[1], ARGV[3])
  redis.call('SADD', KEYS[2], ARGV[2])
end
redis.call('HDEL', KEYS[1], 'x:' .. ARGV[1])
return 1
