-- Forgets a spool whose process has ended and whose records are all settled: what it still held is free again.
-- KEYS 1 wallets of the spool   2.. those wallets   ARGV 1 spool
for index = 2, #KEYS do
  for _, kind in ipairs({'g:', 'r:', 's:', 'i:', 'b:', 'x:'}) do redis.call('HDEL', KEYS[index], kind .. ARGV[1]) end
end
redis.call('DEL', KEYS[1])
return #KEYS - 1
