-- What edges are told: clusters, edges, origins, routes, rules, clients, groups, assignments, keys,
-- orders. A document is the JSON of the contract's own type, so that a new field or a new kind of
-- condition needs no migration; what is looked up stands in columns beside it. `generation` is the
-- one in which the row last changed.

CREATE TABLE clusters (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;

CREATE TABLE edges (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    cluster_id     TEXT NOT NULL REFERENCES clusters (id),
    -- SHA-256 of what the edge proves itself by.
    credential_key TEXT NOT NULL UNIQUE,
    version        TEXT NOT NULL,
    -- Where it says that it listens, and where it is reached if that is elsewhere: JSON.
    listeners      TEXT NOT NULL,
    public         TEXT NOT NULL,
    -- Its state is made of these.
    seen           INTEGER NOT NULL CHECK (seen IN (0, 1)),
    draining       INTEGER NOT NULL CHECK (draining IN (0, 1)),
    lost           INTEGER NOT NULL CHECK (lost IN (0, 1)),
    retired        INTEGER NOT NULL CHECK (retired IN (0, 1)),
    -- Orders up to this number were given before it joined.
    orders_from    INTEGER NOT NULL,
    created_ms     INTEGER NOT NULL,
    generation     INTEGER NOT NULL
) STRICT;
CREATE INDEX edges_by_cluster ON edges (cluster_id);

CREATE TABLE join_tokens (
    id         TEXT PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE,
    cluster_id TEXT NOT NULL REFERENCES clusters (id) ON DELETE CASCADE,
    name       TEXT,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE origins (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;

-- A route or rule without a cluster is every cluster's.
CREATE TABLE routes (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    cluster_id TEXT REFERENCES clusters (id),
    position   INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;

CREATE TABLE rules (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    cluster_id TEXT REFERENCES clusters (id),
    position   INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;

-- The directory: these three may be large, and edges hear only of rows that changed.
CREATE TABLE groups (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;
CREATE INDEX groups_by_generation ON groups (generation);

CREATE TABLE clients (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;
CREATE INDEX clients_by_generation ON clients (generation);

CREATE TABLE assignments (
    id         TEXT PRIMARY KEY,
    -- `client_…`, `group_…`, a network, or `everyone`.
    subject    TEXT NOT NULL,
    -- `edge_…` or `cluster_…`.
    target     TEXT NOT NULL,
    generation INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;
CREATE INDEX assignments_by_generation ON assignments (generation);
CREATE INDEX assignments_by_subject ON assignments (subject);
CREATE INDEX assignments_by_target ON assignments (target);

-- What is gone from the directory, for edges that have not heard yet.
CREATE TABLE removals (
    id         TEXT PRIMARY KEY,
    noun       TEXT NOT NULL,
    generation INTEGER NOT NULL
) STRICT;
CREATE INDEX removals_by_generation ON removals (generation);

-- The newest key signs.
CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    secret     TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

-- Numbers are never given twice, even after old orders were removed.
CREATE TABLE orders (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Which edge carries it out; null is every edge.
    edge_id    TEXT REFERENCES edges (id) ON DELETE CASCADE,
    work       TEXT NOT NULL,
    author     TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE order_receipts (
    number  INTEGER NOT NULL REFERENCES orders (number) ON DELETE CASCADE,
    edge_id TEXT NOT NULL REFERENCES edges (id) ON DELETE CASCADE,
    at_ms   INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (number, edge_id)
) STRICT;

-- Single numbers that the server remembers.
CREATE TABLE marks (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
