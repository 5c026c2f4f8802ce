-- KEYS the rooms, ARGV the incarnations that don't count. Answers how many people the others'
-- sets name in each room.
local dead = {}
for _, who in ipairs(ARGV) do
    dead[who] = true
end
local answer = {}
for at, room in ipairs(KEYS) do
    let_go(room)
    local sets = {}
    for _, who in ipairs(redis.call('SMEMBERS', room .. 'who')) do
        if not dead[who] and #sets < 1000 then
            sets[#sets + 1] = room .. 's:' .. who
        end
    end
    if #sets == 0 then
        answer[at] = 0
    elseif #sets == 1 then
        answer[at] = redis.call('SCARD', sets[1])
    else
        answer[at] = #redis.call('SUNION', unpack(sets))
    end
end
return answer
