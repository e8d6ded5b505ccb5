-- Adds what one process has learned of a family's way of counting, and tells what all of them know.
-- KEYS 1 sums of the family
-- ARGV 1..6 what to add: count, weight, ours, theirs, oursSquared, oursTheirs   7 count above which all is halved   8 ttl, s
-- Returns the six sums as texts. Halving lets what was learned long ago fade.
local names = { 'count', 'weight', 'ours', 'theirs', 'oursSquared', 'oursTheirs' }
local sums = {}
for index, name in ipairs(names) do
  sums[index] = tonumber(redis.call('HGET', KEYS[1], name) or '0') + tonumber(ARGV[index])
end
if tonumber(ARGV[1]) > 0 then
  local share = sums[1] > tonumber(ARGV[7]) and 0.5 or 1
  for index, name in ipairs(names) do
    sums[index] = sums[index] * share
    redis.call('HSET', KEYS[1], name, string.format('%.17g', sums[index]))
  end
  redis.call('EXPIRE', KEYS[1], ARGV[8])
end
local shown = {}
for index in ipairs(names) do shown[index] = string.format('%.17g', sums[index]) end
return shown
