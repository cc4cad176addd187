-- Deletes a thread and the keys claimed in it. KEYS: thread, owner's index. ARGV: thread id
local n = redis.call('HGET', KEYS[1], 'n')
if not n then return 0 end
for turn = 1, tonumber(n) do
  local key = redis.call('HGET', KEYS[1], 'k:' .. turn)
  if key then redis.call('DEL', key) end
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
