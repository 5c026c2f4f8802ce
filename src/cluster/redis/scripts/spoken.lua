-- KEYS people: when each node heard them speak, by this server's clock. ARGV: who asks; the window in
-- milliseconds; then for each person the ages of what was heard here, with commas. Answers for each
-- the ages of what the others heard.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, window = ARGV[1], tonumber(ARGV[2])
local answer = {}
for at, person in ipairs(KEYS) do
    local mine, others = {}, {}
    for age in string.gmatch(ARGV[at + 2], '%d+') do
        mine[#mine + 1] = string.format('%.0f', now - age)
    end
    if #mine > 0 then
        redis.call('HSET', person, me, table.concat(mine, ','))
    else
        redis.call('HDEL', person, me)
    end
    local noted = redis.call('HGETALL', person)
    for field = 1, #noted, 2 do
        local fresh = false
        for moment in string.gmatch(noted[field + 1], '%d+') do
            local age = math.max(now - moment, 0)
            if age < window then
                fresh = true
                if noted[field] ~= me then
                    others[#others + 1] = string.format('%.0f', age)
                end
            end
        end
        if not fresh then
            redis.call('HDEL', person, noted[field])
        end
    end
    redis.call('PEXPIRE', person, window)
    answer[at] = table.concat(others, ',')
end
return answer
