-- Forgets a spool whose process has ended and whose records are all settled: what it still held is free again.
-- KEYS 1 wallets of the spool   2.. those wallets   ARGV 1 spool
for index = 2, #KEYS do
  redis.call('HDEL', KEYS[index], 'g:' .. ARGV[1], 'r:' .. ARGV[1], 's:' .. ARGV[1])
end
redis.call('DEL', KEYS[1])
return #KEYS - 1
