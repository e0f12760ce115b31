-- What an edge may have at once: the JSON of the contract's own type.
ALTER TABLE edges ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
