-- KEYS[1] the room. Answers the version, then each incarnation followed by its names.
local room = KEYS[1]
let_go(room)
local answer = { version(room) }
for _, who in ipairs(redis.call('SMEMBERS', room .. 'who')) do
    answer[#answer + 1] = who
    answer[#answer + 1] = redis.call('SMEMBERS', room .. 's:' .. who)
end
return answer
