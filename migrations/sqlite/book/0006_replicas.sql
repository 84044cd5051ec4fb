-- As on PostgreSQL: from where on calls may be without an outcome, and who closes a dead one's.
ALTER TABLE replicas ADD COLUMN open_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replicas ADD COLUMN closed_by BLOB;

-- A session that ended long ago is in nobody's memory; its token finds it here.
CREATE INDEX events_session_credential
    ON events (json_extract(payload, '$.created.verifier.credential_id')) WHERE event_type = 'session.created';
