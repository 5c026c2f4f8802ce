-- An append has a deadline by this database's clock: what a stalled line held back and delivers when the
-- sender was told that nobody knows is not committed then. Nodes of the release before go on beside this: they
-- call chorus_append, as this does.

-- Commits a batch, unless it is later than p_until when the rooms are locked; the wait for them is the only one.
-- Answers per event what chorus_append answers, and the time it went by. Too late: one row that holds
-- nothing but that time, and nothing was done.
--
-- Locking the rooms again, within chorus_append, waits for nobody. The planner's choices are pinned as those there.
CREATE FUNCTION chorus_append_until(p_until bigint, p_room bigint[], p_sender bigint[], p_client text[], p_body text[])
RETURNS TABLE (seq bigint, ts bigint, fresh boolean, same boolean, at bigint)
LANGUAGE plpgsql VOLATILE
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    locked bigint;
BEGIN
    PERFORM 1 FROM rooms r WHERE r.id = ANY (p_room) ORDER BY r.id FOR NO KEY UPDATE;
    locked := chorus_now();
    IF locked > p_until THEN
        RETURN QUERY SELECT NULL::bigint, NULL::bigint, NULL::boolean, NULL::boolean, locked;
        RETURN;
    END IF;
    RETURN QUERY SELECT a.seq, a.ts, a.fresh, a.same, locked
        FROM chorus_append(p_room, p_sender, p_client, p_body) a ORDER BY a.ord;
END $$;
