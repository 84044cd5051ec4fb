-- Control events as the service would have written them: $1 of them, of whose sessions $2 of a hundred are live.
-- Blocks of a thousand: a workspace, its owner, their key, a tool server, its tools, a loadout, then pairs about sessions.
INSERT INTO public.events (position, event_id, aggregate_type, aggregate_id, event_type, event_version, payload, metadata,
    workspace_id, workspace_sequence, control, narrows, commitments, recorded_at)
SELECT p, pg_temp.id(0, p), kind.aggregate, kind.id::text, kind.aggregate || '.' || kind.event, '1.0', kind.payload::json,
    json_build_object('actor', 'user:' || owner, 'credential', 'api_key:' || key, 'decided_at', p::text, 'replica',
        pg_temp.id(9, 1), 'request_id', pg_temp.id(8, p), 'role', 'owner', 'software', 'tollbook/0.1.0'),
    workspace, p % 1000 + 1, true, kind.event = 'revoked',
    CASE WHEN kind.event = 'created' THEN json_build_array(json_build_array('label', md5(p::text) || md5(p::text))) END,
    now() - interval '3 days' + p * interval '1 millisecond'
FROM generate_series(0, $1::bigint - 1) AS p
CROSS JOIN LATERAL (SELECT pg_temp.id(1, p / 1000) AS workspace, pg_temp.id(2, p / 1000) AS owner,
    pg_temp.id(3, p / 1000) AS key, pg_temp.id(4, p / 1000) AS server, pg_temp.id(5, p / 1000) AS loadout,
    p / 2 * 7919 % 100 AS share) AS block
CROSS JOIN LATERAL (SELECT
    '{"credential_id":"' || lpad(p::text, 12, '0') || '","pepper_id":"0123456789abcdef","hmac":"' || md5(p::text)
        || md5('x' || p) || '"}' AS verifier) AS credential
CROSS JOIN LATERAL (
    SELECT 'workspace' AS aggregate, workspace AS id, 'created' AS event, '{"created":{}}' AS payload WHERE p % 1000 = 0
    UNION ALL SELECT 'workspace', workspace, 'member_added',
        '{"member_added":{"user_id":"' || owner || '","role":"owner"}}' WHERE p % 1000 = 1
    UNION ALL SELECT 'api_key', key, 'created', '{"created":{"workspace_id":"' || workspace || '","user_id":"' || owner
        || '","verifier":' || verifier || ',"role":"owner"}}' WHERE p % 1000 = 2
    UNION ALL SELECT 'tool_server', server, 'registered', '{"registered":{"workspace_id":"' || workspace
        || '","authorization":{"kind":"none"}}}' WHERE p % 1000 = 3
    UNION ALL SELECT 'tool_server', server, 'tools_refreshed', '{"tools_refreshed":{"tools":[{"name":"search","digest":"sha256:'
        || md5('a') || md5('b') || '"}],"changed":[]}}' WHERE p % 1000 = 4
    UNION ALL SELECT 'loadout', loadout, 'created', '{"created":{"workspace_id":"' || workspace
        || '","tools":[{"name":"search","tool_server_id":"' || server || '","tool":"search","digest":"sha256:'
        || md5('a') || md5('b') || '"}]}}' WHERE p % 1000 = 5
    UNION ALL SELECT 'session', pg_temp.id(6, p - 1), 'revoked', '{"revoked":{}}'
        WHERE p % 1000 > 5 AND p % 2 = 1 AND share >= $2::bigint AND share < $2::bigint + (100 - $2::bigint) / 2
    UNION ALL SELECT 'session', pg_temp.id(6, p), 'created', '{"created":{"workspace_id":"' || workspace || '","user_id":"'
        || owner || '","made_with":{"api_key":"' || key || '"},"loadout_id":"' || loadout
        || '","loadout_version":1,"verifier":' || verifier || ',"expires_at":"'
        || to_char(now() AT TIME ZONE 'UTC' + CASE WHEN share < $2::bigint THEN interval '8 hours' ELSE interval '-1 day' END,
            'YYYY-MM-DD"T"HH24:MI:SS"Z"') || '"}}'
        WHERE p % 1000 > 5 AND NOT (p % 2 = 1 AND share >= $2::bigint AND share < $2::bigint + (100 - $2::bigint) / 2)
) AS kind
