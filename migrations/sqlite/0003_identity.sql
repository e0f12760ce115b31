-- Who else says who a client is: keys of others that sign tokens, applications that are asked.

-- A set without a cluster is every cluster's. Its document holds shared secrets.
CREATE TABLE key_sets (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    cluster_id TEXT REFERENCES clusters (id),
    generation INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;

-- Its document holds the key that signs questions.
CREATE TABLE webhooks (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;
