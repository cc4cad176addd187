-- Deletes a thread and the keys claimed in it. KEYS: thread, owner's index, archive's queue.
-- ARGV: thread id, queue's length (0 = none), owner
local n = redis.call('HGET', KEYS[1], 'n')
if not n then return 0 end
for turn = 1, tonumber(n) do
  local key = redis.call('HGET', KEYS[1], 'k:' .. turn)
  if key then redis.call('DEL', key) end
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if tonumber(ARGV[2]) > 0 then
  redis.call('XADD', KEYS[3], '*', 'owner', ARGV[3], 'thread', ARGV[1], 'turn', 0)
end
return 1
