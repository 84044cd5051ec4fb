// The HTTP edge that every upstream of the tests stands behind.
//
// It exists to be a witness: it writes down each request exactly as it came in (headers included), so that a
// test can count what was forwarded and show that no inbound credential travelled upstream. It can also demand
// a static header, and add one to every answer; else it never changes a request or an answer.
//
// Environment:
//   REQUIRE_HEADER  "name: value"; a request without exactly that is answered 401 and recorded as `refused`
//   ANSWER_HEADER   "name: value"; sent with every answer
//   RECORD          "all" (default) keeps entries, "count" keeps only the counters (for benches)
import { createServer } from 'node:http';

const KEPT = 20_000; // entries, oldest dropped first; the counters never forget
const MAX_BODY = 64 * 1024 * 1024;

const record = { requests: 0, refused: 0, tool_calls: 0, by_method: {}, by_tool: {}, entries: [] };
const required = parseHeader(process.env.REQUIRE_HEADER);
const added = parseHeader(process.env.ANSWER_HEADER);
const countOnly = process.env.RECORD === 'count';

/**
 * Listens on a free loopback port and prints one line of JSON, `{"url": …}`, once it does.
 * `handle(request, response, body)` answers what the front lets through; `control(settings)`, if given, is
 * called with the JSON of `POST /__control`.
 * The process ends when its standard input does, so that no server outlives the test that started it.
 */
export function serve(handle, control = () => {}) {
    const server = createServer(async (request, response) => {
        try {
            const body = await read(request);
            if (request.url.startsWith('/__calls')) return json(response, 200, record);
            if (request.url === '/__control') {
                control(JSON.parse(body.toString('utf8')));
                return json(response, 200, {});
            }
            const entry = note(request, response, body);
            if (required && request.headers[required.name] !== required.value) {
                record.refused += 1;
                entry.refused = true;
                return json(response, 401, { error: 'unauthorized' });
            }
            if (added) response.setHeader(added.name, added.value);
            await handle(request, response, body);
        } catch (error) {
            console.error(error);
            if (!response.headersSent) response.writeHead(500);
            response.end();
        }
    });
    // Longer than any pause in a test: a keep-alive race would be the pool's, not the gateway's.
    server.keepAliveTimeout = 120_000;
    server.listen(0, '127.0.0.1', () => {
        process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/mcp` })}\n`);
    });
    process.stdin.resume();
    process.stdin.on('end', () => process.exit(0));
    process.stdin.on('error', () => process.exit(0));
}

function note(request, response, body) {
    const message = parse(body);
    record.requests += 1;
    bump(record.by_method, message?.method ?? request.method);
    if (message?.method === 'tools/call') {
        record.tool_calls += 1;
        bump(record.by_tool, message.params?.name ?? '');
    }
    const entry = {
        http_method: request.method,
        path: request.url,
        headers: request.headers,
        message,
        // As it came, where it is short.
        body: body.length <= 4096 ? body.toString('utf8') : null,
        refused: false,
        status: null,
        // open, answered (the whole response went out) or aborted (the caller went away first)
        outcome: 'open',
    };
    if (!countOnly) {
        record.entries.push(entry);
        if (record.entries.length > KEPT) record.entries.shift();
    }
    response.on('close', () => {
        entry.status = response.statusCode;
        entry.outcome = response.writableFinished ? 'answered' : 'aborted';
    });
    return entry;
}

function bump(counters, key) {
    counters[key] = (counters[key] ?? 0) + 1;
}

function parse(body) {
    try {
        return body.length ? JSON.parse(body.toString('utf8')) : null;
    } catch {
        return null;
    }
}

async function read(request) {
    const chunks = [];
    let length = 0;
    for await (const chunk of request) {
        length += chunk.length;
        if (length > MAX_BODY) throw new Error('request body too large for a test');
        chunks.push(chunk);
    }
    return Buffer.concat(chunks);
}

function parseHeader(text) {
    if (!text) return null;
    const colon = text.indexOf(':');
    return { name: text.slice(0, colon).trim().toLowerCase(), value: text.slice(colon + 1).trim() };
}

function json(response, status, value) {
    const body = JSON.stringify(value);
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    response.end(body);
}
