-- Changes a kept call, if it is there. KEYS: call, its sign of life
-- ARGV: beat | settle | cancel, now_ms, alive_ms, ttl_ms, outcome
if redis.call('HEXISTS', KEYS[1], 'facts') == 0 then return 0 end
if ARGV[1] == 'beat' then
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
elseif ARGV[1] == 'cancel' then
  redis.call('HSET', KEYS[1], 'cancel', '1', 'updated', ARGV[2])
elseif redis.call('HSETNX', KEYS[1], 'outcome', ARGV[5]) == 1 then
  -- Of several ends the first stays.
  redis.call('HSET', KEYS[1], 'updated', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
