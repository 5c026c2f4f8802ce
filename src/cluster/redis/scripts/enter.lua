-- KEYS[1] an incarnation: the text that its keys begin with:
--   rooms  the rooms where it may have a set
--   dead   since when it is dead, which may be still to come: then it drains
-- ARGV: a room it is about to have a set in. Answers nothing when it is dead, else for how many
-- milliseconds it stays: empty when it does not drain.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dead = redis.call('GET', KEYS[1] .. 'dead')
if dead and dead - now <= 0 then
    return false
end
redis.call('SADD', KEYS[1] .. 'rooms', ARGV[1])
return dead and tostring(dead - now) or ''
