-- Webhooks (WEBHOOKS): an event that a receiver refuses for good is put aside, and its room goes on. Nodes of the
-- release before go on beside this: they relay to sinks that nothing is put aside of, by the functions they know.

-- The last event that the sink was told and has. NULL: that is seq. Else those after it were put aside.
ALTER TABLE relay_cursors ADD COLUMN told bigint;

-- What was put aside: where it is in the log, which has the text, and why.
CREATE TABLE relay_dead_letters (
    sink       text NOT NULL REFERENCES relay_sinks (sink) ON DELETE CASCADE,
    room_id    bigint NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq        bigint NOT NULL,
    message_id text NOT NULL,
    reason     text NOT NULL,
    attempts   bigint NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (sink, room_id, seq)
);
CREATE INDEX relay_dead_letters_by_time ON relay_dead_letters (at, room_id, seq);

-- Whether p_fence is the sink's and the log is where the lead of it was taken. Whoever takes the lead waits for the
-- caller's transaction, or the caller finds the new fence.
CREATE FUNCTION chorus_relay_holds(p_sink text, p_fence bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM 1 FROM relay_sinks s WHERE s.sink = p_sink AND s.fence = p_fence FOR SHARE;
    RETURN FOUND AND EXISTS (SELECT FROM relay_log WHERE place = chorus_log_place());
END $$;

-- As before, and what was told last is the cursor again.
CREATE OR REPLACE FUNCTION chorus_relay_move(p_sink text, p_fence bigint, p_room bigint[], p_seq bigint[])
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT chorus_relay_holds(p_sink, p_fence) THEN
        RETURN false;
    END IF;
    INSERT INTO relay_cursors AS c (sink, room_id, seq)
        SELECT p_sink, m.room, m.seq FROM unnest(p_room, p_seq) AS m (room, seq) ORDER BY m.room
        ON CONFLICT (sink, room_id) DO UPDATE SET seq = excluded.seq, told = NULL WHERE c.seq < excluded.seq;
    RETURN true;
END $$;

-- Puts events aside, and moves the cursors of their rooms beyond them, under the same conditions.
CREATE FUNCTION chorus_relay_put_aside(p_sink text, p_fence bigint, p_room bigint[], p_seq bigint[], p_told bigint[],
                                       p_message text[], p_reason text[], p_attempts bigint[])
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT chorus_relay_holds(p_sink, p_fence) THEN
        RETURN false;
    END IF;
    INSERT INTO relay_dead_letters (sink, room_id, seq, message_id, reason, attempts, at)
        SELECT p_sink, l.room, l.seq, l.message, l.reason, l.attempts, chorus_now()
        FROM unnest(p_room, p_seq, p_message, p_reason, p_attempts) AS l (room, seq, message, reason, attempts)
        ORDER BY l.room, l.seq
        ON CONFLICT DO NOTHING;
    INSERT INTO relay_cursors AS c (sink, room_id, seq, told)
        SELECT DISTINCT ON (l.room) p_sink, l.room, l.seq, l.told
        FROM unnest(p_room, p_seq, p_told) AS l (room, seq, told) ORDER BY l.room, l.seq DESC
        ON CONFLICT (sink, room_id) DO UPDATE SET seq = excluded.seq, told = excluded.told WHERE c.seq < excluded.seq;
    RETURN true;
END $$;
