-- Who may use the server, and what was done: users, logins, API tokens, generations, audit.
-- Times are Unix milliseconds. Keys are SHA-256 of a secret, in hexadecimal: no secret is kept.

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    -- The name in lower case, so that `Ada` and `ada` are one person.
    name_key      TEXT NOT NULL UNIQUE,
    role          TEXT NOT NULL,
    -- A PHC string of argon2id.
    password_hash TEXT NOT NULL,
    created_ms    INTEGER NOT NULL
) STRICT;

CREATE TABLE logins (
    key        TEXT PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address    TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX logins_by_user ON logins (user_id);
CREATE INDEX logins_by_expiry ON logins (expires_ms);

-- The one way in while no user exists: a link that is used once.
CREATE TABLE setup_links (
    key        TEXT PRIMARY KEY,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE api_tokens (
    key        TEXT PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    used_ms    INTEGER
) STRICT;

-- Every change of a setting has a number, and only the next one.
CREATE TABLE generations (
    number     INTEGER PRIMARY KEY,
    author     TEXT NOT NULL,
    comment    TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id           TEXT PRIMARY KEY,
    at_ms        INTEGER NOT NULL,
    actor_kind   TEXT NOT NULL,
    actor_id     TEXT,
    actor_name   TEXT NOT NULL,
    address      TEXT,
    request_id   TEXT,
    verb         TEXT NOT NULL,
    noun         TEXT NOT NULL,
    subject_id   TEXT NOT NULL,
    subject_name TEXT NOT NULL,
    -- The subject before and after, as the API shows it; never a secret.
    before       TEXT,
    after        TEXT,
    generation   INTEGER REFERENCES generations (number)
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject_id, id);
CREATE INDEX audit_by_noun ON audit (noun, id);
