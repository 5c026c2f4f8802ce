-- KEYS[1] the room. ARGV: who; an era, if the room has none yet; for how many milliseconds who
-- still stays, empty when it does not drain; how many names come; these; the names that go.
-- Answers how many names came or went by this, and the version; nothing when who was reaped here.
local room, who, stays = KEYS[1], ARGV[1], ARGV[3]
let_go(room)
if redis.call('ZSCORE', room .. 'dead', who) then
    return false
end
-- The first write is one that needs memory: a server that has none left refuses it, and nothing
-- was changed.
local set = room .. 's:' .. who
local border = 4 + ARGV[4]

-- In parts, since Lua's stack is short.
local function each(command, first, last)
    local changed = 0
    for from = first, last, 1000 do
        local part = { unpack(ARGV, from, math.min(from + 999, last)) }
        changed = changed + redis.call(command, set, unpack(part))
    end
    return changed
end

local changed = each('SADD', 5, border) + each('SREM', border + 1, #ARGV)
if changed > 0 then
    if redis.call('EXISTS', set) == 1 then
        redis.call('SADD', room .. 'who', who)
        if stays ~= '' then
            redis.call('ZADD', room .. 'leaving', 'NX', now + stays, who)
        end
    else
        redis.call('SREM', room .. 'who', who)
    end
    redis.call('ZREMRANGEBYSCORE', room .. 'dead', '-inf', now - DAY)
    redis.call('HSETNX', room .. 'v', 'era', ARGV[2])
    redis.call('HINCRBY', room .. 'v', 'number', 1)
end
return { changed, version(room) }
