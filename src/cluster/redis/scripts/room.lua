-- What every script of a room begins with. A room is the text that its keys begin with:
--   v        a hash: the era and the number of its version
--   who      the incarnations that have a set here
--   s:<who>  the names of one of them
--   leaving  who drains, and when its last lease ends here, by this server's clock
--   dead     who was reaped here, and when; it can't come back
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local DAY = 86400000

local function version(room)
    local v = redis.call('HMGET', room .. 'v', 'era', 'number')
    return v[1] or '0', v[2] or '0'
end

-- Nothing before the first write here needs memory: a server that has none left refuses a script
-- whole or not at all.
local function bury(room, who)
    redis.call('ZREM', room .. 'leaving', who)
    local was = redis.call('SREM', room .. 'who', who)
    if was == 1 then
        redis.call('DEL', room .. 's:' .. who)
        redis.call('HINCRBY', room .. 'v', 'number', 1)
    end
    redis.call('ZADD', room .. 'dead', now, who)
    return was
end

-- Ends the last leases that are over.
local function let_go(room)
    for _, who in ipairs(redis.call('ZRANGEBYSCORE', room .. 'leaving', '-inf', now)) do
        bury(room, who)
    end
end
