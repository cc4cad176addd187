-- Adds what an instance took to each bucket and answers in how many microseconds it is full again.
-- KEYS: buckets, in one slot; ARGV: what was taken of each, in microseconds of its rate
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local out = {}
for i, key in ipairs(KEYS) do
  local full = math.max(tonumber(redis.call('GET', key) or 0), now) + tonumber(ARGV[i])
  local left = full - now
  if left > 0 then
    redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil(left / 1000) + 1)
  end
  out[i] = left
end
return out
