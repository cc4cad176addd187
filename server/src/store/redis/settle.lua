-- Ends a hold and charges what was spent, once. KEYS: the day's sums, the month's sums, holds, the
-- settlement's mark. ARGV: id, nano, tokens, now_ms, mark_ms, day_ms, month_ms
if redis.call('SET', KEYS[4], '1', 'NX', 'PX', ARGV[5]) then
  redis.call('HDEL', KEYS[3], ARGV[1])
  if ARGV[2] ~= '0' or ARGV[3] ~= '0' then
    for i = 1, 2 do
      redis.call('HINCRBY', KEYS[i], 'n', ARGV[2])
      redis.call('HINCRBY', KEYS[i], 't', ARGV[3])
      redis.call('PEXPIRE', KEYS[i], ARGV[5 + i])
    end
  end
end
local out = { 'settled' }
for i = 1, 2 do
  out[#out + 1] = redis.call('HGET', KEYS[i], 'n') or '0'
  out[#out + 1] = redis.call('HGET', KEYS[i], 't') or '0'
end
local hn, ht = 0, 0
local all = redis.call('HVALS', KEYS[3])
for i = 1, #all do
  local n, t, ends = string.match(all[i], '^(%d+):(%d+):(%d+)$')
  if tonumber(ends) > tonumber(ARGV[4]) then
    hn = hn + tonumber(n)
    ht = ht + tonumber(t)
  end
end
out[#out + 1] = string.format('%.0f', hn)
out[#out + 1] = string.format('%.0f', ht)
return out
