-- KEYS[1] the beats: the text that their keys begin with:
--   counts  a hash: the counter of each incarnation
--   dead    since when who is dead, which may be still to come: then it drains
-- ARGV: who beats. Answers all counters, nothing when it is dead.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dead = redis.call('ZSCORE', KEYS[1] .. 'dead', ARGV[1])
if dead and dead - now <= 0 then
    return false
end
if not dead then
    redis.call('HINCRBY', KEYS[1] .. 'counts', ARGV[1], 1)
end
return redis.call('HGETALL', KEYS[1] .. 'counts')
