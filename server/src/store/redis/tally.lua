-- Adds to a line of usage, once. KEYS: the day's lines, the settlement's mark
-- ARGV: line, mark_ms, lines_ms, then calls, input, output, cached, nano
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return 0 end
local names = { 'c', 'i', 'o', 'k', 'n' }
for i, name in ipairs(names) do
  redis.call('HINCRBY', KEYS[1], name .. ARGV[1], ARGV[3 + i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
