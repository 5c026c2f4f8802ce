-- What was said goes on to other systems (AMQP_URL). Nodes of the release before go on beside this: they relay
-- nothing.

-- Which log this is. `chat` stays for ever. `epoch` is another one when the log is in another place than before:
-- then it may have lost its end, and numbers may be given a second time.
CREATE TABLE relay_log (
    id    integer PRIMARY KEY CHECK (id = 1),
    chat  uuid NOT NULL,
    epoch uuid NOT NULL,
    place text NOT NULL
);
INSERT INTO relay_log (id, chat, epoch, place) VALUES (1, gen_random_uuid(), gen_random_uuid(), '');

-- A sink, and who leads it until when, given for how many ms. Each taking of the lead raises the fence.
CREATE TABLE relay_sinks (
    sink       text PRIMARY KEY,
    fence      bigint NOT NULL DEFAULT 0,
    holder     uuid,
    held_until bigint NOT NULL DEFAULT 0,
    held_for   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Up to where a sink has a room for certain; no row: nothing of it.
CREATE TABLE relay_cursors (
    sink    text NOT NULL REFERENCES relay_sinks (sink) ON DELETE CASCADE,
    room_id bigint NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq     bigint NOT NULL,
    PRIMARY KEY (sink, room_id)
) WITH (fillfactor = 50);

-- Where this log is: another server, another database of it, or another timeline (a standby that was promoted, a
-- restore from an archive) is another place. What a server does not tell us is left out.
CREATE FUNCTION chorus_log_place() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    server text := '';
    timeline text := '';
BEGIN
    BEGIN
        server := (SELECT system_identifier::text FROM pg_control_system());
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    BEGIN
        timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    RETURN concat_ws('.', server, timeline, (SELECT oid FROM pg_database WHERE datname = current_database()));
END $$;

-- Takes the lead of a sink for p_ttl ms, or prolongs it. No row: another node has it. A lease that ends later than
-- if it were given now was given before the clock was set back, and counts as over.
CREATE FUNCTION chorus_relay_lead(p_sink text, p_holder uuid, p_ttl bigint, p_from_now boolean)
RETURNS TABLE (o_fence bigint, o_chat uuid, o_epoch uuid) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    here text := chorus_log_place();
    now_ms bigint;
BEGIN
    UPDATE relay_log SET place = here, epoch = gen_random_uuid() WHERE place <> here;
    IF FOUND THEN
        -- Whoever leads begins anew.
        UPDATE relay_sinks SET holder = NULL, held_until = 0;
    END IF;
    PERFORM 1 FROM relay_sinks s WHERE s.sink = p_sink FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO relay_sinks (sink) VALUES (p_sink) ON CONFLICT DO NOTHING;
        IF FOUND AND p_from_now THEN
            INSERT INTO relay_cursors (sink, room_id, seq) SELECT p_sink, r.id, r.last_seq FROM rooms r WHERE r.last_seq > 0;
        END IF;
    END IF;
    now_ms := chorus_now();
    RETURN QUERY
    WITH led AS (
        UPDATE relay_sinks s SET holder = p_holder, held_until = now_ms + p_ttl, held_for = p_ttl,
               fence = s.fence + CASE WHEN s.holder = p_holder THEN 0 ELSE 1 END
        WHERE s.sink = p_sink
          AND (s.holder = p_holder OR s.held_until <= now_ms OR s.held_until > now_ms + s.held_for)
        RETURNING s.fence
    )
    SELECT led.fence, l.chat, l.epoch FROM led CROSS JOIN relay_log l;
END $$;

-- Moves cursors, never back, as long as p_fence is the sink's: whoever takes the lead waits for this, or this finds
-- the new fence and does nothing. Nor does it when the log is elsewhere (a failover) and nobody has taken the lead there
-- yet: what was published of it since then was told under the epoch of before.
CREATE FUNCTION chorus_relay_move(p_sink text, p_fence bigint, p_room bigint[], p_seq bigint[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM 1 FROM relay_sinks s WHERE s.sink = p_sink AND s.fence = p_fence FOR SHARE;
    IF NOT FOUND OR NOT EXISTS (SELECT FROM relay_log WHERE place = chorus_log_place()) THEN
        RETURN false;
    END IF;
    INSERT INTO relay_cursors AS c (sink, room_id, seq)
        SELECT p_sink, m.room, m.seq FROM unnest(p_room, p_seq) AS m (room, seq) ORDER BY m.room
        ON CONFLICT (sink, room_id) DO UPDATE SET seq = greatest(c.seq, excluded.seq);
    RETURN true;
END $$;
