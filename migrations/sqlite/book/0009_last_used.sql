-- As on PostgreSQL: when each credential was last used, beside the book.
CREATE TABLE last_used (
    credential_id BLOB    NOT NULL PRIMARY KEY,
    used_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
