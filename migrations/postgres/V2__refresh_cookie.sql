-- By which a browser may prolong its sign-in though all tokens of it have expired: one cookie per
-- sign-in, whose secret changes at each use. Only SHA-256 are kept. Nodes of the release before go on
-- beside this: they call the functions below, which keep their names and parameters.
CREATE TABLE refresh_cookies (
    sid           uuid PRIMARY KEY REFERENCES sign_ins (sid) ON DELETE CASCADE,
    family_hash   bytea NOT NULL UNIQUE CHECK (length(family_hash) = 32),
    current_hash  bytea NOT NULL CHECK (length(current_hash) = 32),
    -- The secret before, what the current one was made of it with, and since when.
    previous_hash bytea,
    salt          bytea,
    rotated_at    bigint NOT NULL,
    expires_at    bigint NOT NULL
);
CREATE INDEX refresh_cookies_by_expiry ON refresh_cookies (expires_at);

-- Ends a sign-in that the caller has locked.
CREATE FUNCTION chorus_end(p_sid uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sign_ins SET ended_at = chorus_now() WHERE sid = p_sid;
    DELETE FROM active_tokens WHERE sid = p_sid;
    INSERT INTO revocations VALUES (p_sid, chorus_now())
        ON CONFLICT (sid) DO UPDATE SET at = excluded.at;
END $$;

-- Ends one sign-in; false when neither a token nor the cookie kept it alive.
CREATE OR REPLACE FUNCTION chorus_end_sign_in(p_sid uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- Waits for a renewal under way, whose token the next statements see.
    PERFORM 1 FROM sign_ins WHERE sid = p_sid AND ended_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT (
        EXISTS (SELECT FROM active_tokens WHERE sid = p_sid AND expires_at > chorus_now())
        OR EXISTS (SELECT FROM refresh_cookies WHERE sid = p_sid AND expires_at > chorus_now())) THEN
        RETURN false;
    END IF;
    PERFORM chorus_end(p_sid);
    RETURN true;
END $$;

-- Uses a cookie: adds a token and moves the cookie's end to p_life ms from now. The current secret is
-- replaced by p_next. The previous one still does for p_grace ms and changes nothing: what comes back
-- is the salt by which its successor is made again. Any other secret was stolen, by whoever shows it
-- or from them, and ends the sign-in.
CREATE FUNCTION chorus_use_cookie(p_sid uuid, p_shown bytea, p_next bytea, p_salt bytea, p_grace bigint,
                                  p_life bigint, p_token bytea, p_until bigint,
                                  OUT outcome text, OUT made_with bytea) LANGUAGE plpgsql AS $$
DECLARE
    kept refresh_cookies%ROWTYPE;
BEGIN
    -- One use after the other, and none beside an end of the sign-in.
    PERFORM 1 FROM sign_ins WHERE sid = p_sid AND ended_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        outcome := 'unknown';
        RETURN;
    END IF;
    SELECT * INTO kept FROM refresh_cookies WHERE sid = p_sid AND expires_at > chorus_now();
    IF NOT FOUND THEN
        outcome := 'unknown';
        RETURN;
    END IF;
    IF kept.current_hash = p_shown THEN
        UPDATE refresh_cookies SET previous_hash = p_shown, current_hash = p_next, salt = p_salt,
            rotated_at = chorus_now(), expires_at = chorus_now() + p_life WHERE sid = p_sid;
        made_with := p_salt;
    ELSIF kept.previous_hash = p_shown AND chorus_now() < kept.rotated_at + p_grace THEN
        UPDATE refresh_cookies SET expires_at = chorus_now() + p_life WHERE sid = p_sid;
        made_with := kept.salt;
    ELSE
        PERFORM chorus_end(p_sid);
        outcome := 'stolen';
        RETURN;
    END IF;
    INSERT INTO active_tokens (token_hash, sid, created_at, expires_at)
        VALUES (p_token, p_sid, chorus_now(), p_until);
    outcome := 'good';
END $$;

-- As before, and cookies with the sign-ins that neither a token nor a cookie keeps.
CREATE OR REPLACE FUNCTION chorus_sweep(p_rows bigint, p_margin bigint, p_kept bigint,
                                        OUT deleted bigint, OUT more boolean) LANGUAGE plpgsql AS $$
DECLARE
    until bigint := chorus_now() - p_margin;
    kept bigint := chorus_now() - p_kept;
    expired uuid[];
    forgotten uuid[];
    gone bigint;
BEGIN
    WITH t AS (
        DELETE FROM active_tokens WHERE token_hash IN
            (SELECT token_hash FROM active_tokens WHERE expires_at <= until LIMIT p_rows FOR UPDATE SKIP LOCKED)
        RETURNING sid
    ) SELECT coalesce(array_agg(sid), '{}') INTO expired FROM t;
    WITH c AS (
        DELETE FROM refresh_cookies WHERE sid IN
            (SELECT sid FROM refresh_cookies WHERE expires_at <= until LIMIT p_rows FOR UPDATE SKIP LOCKED)
        RETURNING sid
    ) SELECT coalesce(array_agg(sid), '{}') INTO forgotten FROM c;
    deleted := cardinality(expired) + cardinality(forgotten);
    more := cardinality(expired) >= p_rows OR cardinality(forgotten) >= p_rows;
    DELETE FROM sign_ins s WHERE sid = ANY (expired || forgotten)
        AND NOT EXISTS (SELECT FROM active_tokens t WHERE t.sid = s.sid)
        AND NOT EXISTS (SELECT FROM refresh_cookies c WHERE c.sid = s.sid);
    GET DIAGNOSTICS gone = ROW_COUNT;
    deleted := deleted + gone;
    DELETE FROM sign_ins WHERE sid IN
        (SELECT sid FROM sign_ins WHERE ended_at <= until LIMIT p_rows FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS gone = ROW_COUNT;
    deleted := deleted + gone; more := more OR gone >= p_rows;
    DELETE FROM used_tickets WHERE nonce IN
        (SELECT nonce FROM used_tickets WHERE expires_at <= until LIMIT p_rows FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS gone = ROW_COUNT;
    deleted := deleted + gone; more := more OR gone >= p_rows;
    DELETE FROM revocations WHERE sid IN
        (SELECT sid FROM revocations WHERE at < kept LIMIT p_rows FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS gone = ROW_COUNT;
    deleted := deleted + gone; more := more OR gone >= p_rows;
    DELETE FROM node_health WHERE at < kept;
END $$;
