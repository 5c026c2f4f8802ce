-- KEYS the rooms. Answers the era and the number of each.
local answer = {}
for _, room in ipairs(KEYS) do
    let_go(room)
    answer[#answer + 1], answer[#answer + 2] = version(room)
end
return answer
