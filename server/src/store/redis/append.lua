-- Appends one exchange in one step, so that no reader sees half of it.
-- KEYS: thread, owner's index, claim (equal to the index when there is no claim), archive's queue
-- ARGV: mode, cap, ttl_ms, expected (-1: any), exchange, exchange id, state, title,
--       now_ms, thread id, digest ('' = no claim), reply, queue's length (0 = none), owner
local seen = redis.call('HGET', KEYS[1], 'id:' .. ARGV[6])
if seen then return {'stored', seen} end
local claimed = ARGV[11] ~= ''
if claimed then
  local old = redis.call('HMGET', KEYS[3], 'digest', 'thread', 'turn', 'reply')
  if old[1] then
    if old[1] ~= ARGV[11] then return {'reused'} end
    return {'replayed', old[1], old[2], old[3], old[4]}
  end
end
local held = redis.call('HGET', KEYS[1], 'n')
local cap, ttl = tonumber(ARGV[2]), tonumber(ARGV[3])
if ARGV[1] == 'new' then
  if held then return {'moved', held} end
else
  if not held then return {'not_found'} end
  if tonumber(held) >= cap then return {'full'} end
  if ARGV[4] ~= '-1' and ARGV[4] ~= held then return {'moved', held} end
end
local n = tonumber(held or '0') + 1
redis.call('HSET', KEYS[1], 'n', n, 'x:' .. n, ARGV[5], 'id:' .. ARGV[6], n, 'updated', ARGV[9])
if ARGV[1] == 'new' then redis.call('HSET', KEYS[1], 'title', ARGV[8]) end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'state', ARGV[7]) end
if claimed then
  redis.call('HSET', KEYS[3], 'digest', ARGV[11], 'thread', ARGV[10], 'turn', n, 'reply', ARGV[12])
  redis.call('HSET', KEYS[1], 'k:' .. n, KEYS[3])
end
-- A key lives as long as its thread, so every append prolongs all of them.
redis.call('PEXPIRE', KEYS[1], ttl)
for turn = 1, n do
  local key = redis.call('HGET', KEYS[1], 'k:' .. turn)
  if key then redis.call('PEXPIRE', key, ttl) end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. (tonumber(ARGV[9]) - ttl))
redis.call('ZADD', KEYS[2], ARGV[9], ARGV[10])
redis.call('PEXPIRE', KEYS[2], ttl)
local room = tonumber(ARGV[13])
if room == 0 then return {'stored', tostring(n)} end
if redis.call('XLEN', KEYS[4]) >= room then return {'stored', tostring(n), 'uncopied'} end
redis.call('XADD', KEYS[4], '*', 'owner', ARGV[14], 'thread', ARGV[10], 'turn', n,
  'title', redis.call('HGET', KEYS[1], 'title') or '', 'body', ARGV[5])
return {'stored', tostring(n)}
