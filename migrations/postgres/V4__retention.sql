-- Old messages go (RETENTION_DAYS). Nodes of the release before go on beside this: they delete nothing, and a
-- client that comes back from before what is kept is told so by them as well.

-- When a node last began to look for old messages, so that one at a time does.
CREATE TABLE expiry (
    id       integer PRIMARY KEY CHECK (id = 1),
    begun_at bigint NOT NULL
);
INSERT INTO expiry (id, begun_at) VALUES (1, 0);

-- Deletes at most p_rows events from the beginnings of the first p_rooms rooms after p_after: those whose next
-- one is older than p_before, too. So the newest of the old ones stays, whoever was here since then stands at an
-- event that is kept, and what remains of a room is its end without a hole. It locks no room, so nothing that is
-- said waits for it. Answers how many went, and the room after which to go on; NULL when all were looked at.
--
-- Of most rooms only the second event is looked at. The planner's choices are pinned as those of the append.
CREATE FUNCTION chorus_expire(p_before bigint, p_after bigint, p_rooms bigint, p_rows bigint,
                              OUT deleted bigint, OUT next bigint) LANGUAGE plpgsql VOLATILE
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    looked bigint[] := ARRAY(SELECT id FROM rooms WHERE id > p_after ORDER BY id LIMIT p_rooms);
    old bigint;
    kept bigint;
    gone bigint;
BEGIN
    deleted := 0;
    FOR old IN
        SELECT r.id FROM unnest(looked) WITH ORDINALITY AS r (id, ord)
        CROSS JOIN LATERAL (SELECT ts FROM messages WHERE room_id = r.id ORDER BY seq OFFSET 1 LIMIT 1) second
        WHERE second.ts < p_before ORDER BY r.ord
    LOOP
        -- The last old one of the next p_rows and one.
        SELECT coalesce(min(seq) FILTER (WHERE ts >= p_before) - 1, max(seq)) INTO kept
        FROM (SELECT seq, ts FROM messages WHERE room_id = old ORDER BY seq LIMIT p_rows - deleted + 1) first;
        DELETE FROM messages WHERE room_id = old AND seq < kept;
        GET DIAGNOSTICS gone = ROW_COUNT;
        deleted := deleted + gone;
        IF deleted >= p_rows THEN
            -- There may be more of this one.
            next := old - 1;
            RETURN;
        END IF;
    END LOOP;
    IF cardinality(looked) >= p_rooms THEN
        next := looked[cardinality(looked)];
    END IF;
END $$;
