-- Bots: accounts whose password nobody knows. Their tokens are sign-ins that the operator began, so they
-- end, expire and are swept like those; what a token allows goes with it. Nodes of the release before go on
-- beside this and let no bot in, because they know their tokens by no other way.
CREATE TABLE bots (
    user_id bigint PRIMARY KEY REFERENCES users (id)
);

CREATE TABLE bot_tokens (
    sid       uuid PRIMARY KEY REFERENCES sign_ins (sid) ON DELETE CASCADE,
    rooms     text NOT NULL,
    may_read  boolean NOT NULL,
    may_write boolean NOT NULL
);

-- Adds the account of a bot; NULL when its name is claimed.
CREATE FUNCTION chorus_create_bot(p_username text, p_folded text, p_hash text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    number bigint := chorus_create_user(p_username, p_folded, p_hash);
BEGIN
    IF number IS NOT NULL THEN
        INSERT INTO bots VALUES (number);
    END IF;
    RETURN number;
END $$;
