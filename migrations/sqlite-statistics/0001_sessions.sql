-- What happened: sessions that are over, and what edges counted. Times are Unix milliseconds.

-- Ended and refused sessions. A session is kept once, however often an edge reports it.
CREATE TABLE sessions (
    id             TEXT PRIMARY KEY,
    edge_id        TEXT NOT NULL,
    state          TEXT NOT NULL,
    client_id      TEXT,
    addr           TEXT NOT NULL,
    app            TEXT NOT NULL,
    stream         TEXT,
    route_id       TEXT,
    rule_id        TEXT,
    decision_id    TEXT,
    reason         TEXT,
    began_ms       INTEGER NOT NULL,
    ended_ms       INTEGER NOT NULL,
    -- The whole record, as the edge reported it.
    record         TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_end ON sessions (ended_ms);
CREATE INDEX sessions_by_client ON sessions (client_id, id);
CREATE INDEX sessions_by_edge ON sessions (edge_id, id);
CREATE INDEX sessions_by_state ON sessions (state, id);
CREATE INDEX sessions_by_decision ON sessions (decision_id);

-- The newest totals of each edge, cumulative since it was first started.
CREATE TABLE totals (
    edge_id TEXT PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    totals  TEXT NOT NULL
) STRICT;

-- Cache counts of a route on an edge as they stood at the end of each span: cumulative too, so that
-- the difference of two rows is what was counted between them.
CREATE TABLE cache_figures (
    edge_id  TEXT NOT NULL,
    route_id TEXT NOT NULL,
    span_ms  INTEGER NOT NULL,
    counts   TEXT NOT NULL,
    PRIMARY KEY (edge_id, route_id, span_ms)
) STRICT;
CREATE INDEX cache_figures_by_span ON cache_figures (span_ms);
