-- KEYS[1] when each node said last that it reaches the database. ARGV: who says, '1' if it does, and
-- for how many milliseconds a word counts. Answers 1 if another one does.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
local others = redis.call('ZCARD', KEYS[1])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    others = others - 1
end
if ARGV[2] == '1' then
    redis.call('ZADD', KEYS[1], now, ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
else
    redis.call('ZREM', KEYS[1], ARGV[1])
end
return others > 0 and 1 or 0
