-- KEYS[1] an incarnation (see enter.lua), ARGV: for how many milliseconds it stays, and whether one
-- that is dead already is an error. Answers the rooms where it may have a set, nothing when it is
-- dead and that is an error.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dead = redis.call('GET', KEYS[1] .. 'dead')
if ARGV[2] == '1' and dead and dead - now <= 0 then
    return false
end
local from = now + ARGV[1]
if not dead or from < dead - 0 then
    redis.call('SET', KEYS[1] .. 'dead', string.format('%.0f', from), 'EX', 86400)
end
redis.call('EXPIRE', KEYS[1] .. 'rooms', 86400)
return redis.call('SMEMBERS', KEYS[1] .. 'rooms')
