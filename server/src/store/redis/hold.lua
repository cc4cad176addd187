-- Takes a hold, unless a bound is reached. KEYS: the day's sums, the month's sums, holds
-- ARGV: id, nano, tokens, now_ms, expires_ms, then the bounds: day nano, day tokens, month nano,
-- month tokens; 0 is no bound
local function sums(key)
  return tonumber(redis.call('HGET', key, 'n') or 0), tonumber(redis.call('HGET', key, 't') or 0)
end
local dn, dt = sums(KEYS[1])
local mn, mt = sums(KEYS[2])
local hn, ht = 0, 0
local now = tonumber(ARGV[4])
local all = redis.call('HGETALL', KEYS[3])
for i = 1, #all, 2 do
  local n, t, ends = string.match(all[i + 1], '^(%d+):(%d+):(%d+)$')
  if tonumber(ends) <= now then
    redis.call('HDEL', KEYS[3], all[i])
  elseif all[i] ~= ARGV[1] then
    hn = hn + tonumber(n)
    ht = ht + tonumber(t)
  end
end
local function reached(n, t, most_n, most_t)
  most_n, most_t = tonumber(most_n), tonumber(most_t)
  return (most_n > 0 and tonumber(ARGV[2]) > 0 and n + hn >= most_n)
    or (most_t > 0 and tonumber(ARGV[3]) > 0 and t + ht >= most_t)
end
local word = 'taken'
if reached(dn, dt, ARGV[6], ARGV[7]) or reached(mn, mt, ARGV[8], ARGV[9]) then
  word = 'refused'
else
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[2] .. ':' .. ARGV[3] .. ':' .. ARGV[5])
  -- As long as the last hold may count.
  local left = tonumber(ARGV[5]) - now
  if redis.call('PTTL', KEYS[3]) < left then redis.call('PEXPIRE', KEYS[3], left) end
end
local out = { word }
for _, number in ipairs({ dn, dt, mn, mt, hn, ht }) do
  out[#out + 1] = string.format('%.0f', number)
end
return out
