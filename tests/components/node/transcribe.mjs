// Writes down what real clients and servers say to each other: ../transcripts/*.md.
//
//   node transcribe.mjs PYTHON      (the interpreter of the virtual environment, see tools/setup)
//
// Every request and response passes through a recorder that changes nothing but the `host` header's port. Dates,
// ports and identifiers made at random are replaced by fixed words, so that a new run is a readable diff.
import { spawn } from 'node:child_process';
import { createServer, request as send } from 'node:http';
import { mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const out = `${here}/../transcripts`;
const python = process.argv[2] ?? 'python3';

const SERVERS = { modern: 'modern-server.mjs', legacy: 'legacy-server.mjs' };
const CLIENTS = {
    v2: [process.execPath, `${here}/client-v2.mjs`],
    v1: [process.execPath, `${here}/client-v1.mjs`],
    python: [python, `${here}/../python/client.py`],
};
const MODERN = [
    ['list'],
    ['discover'],
    ['call', 'echo', '{"text":"hello"}'],
    ['call', 'add', '{"a":1,"b":2}'],
    ['call', 'odd', '{}'],
    ['call', 'fail', '{}'],
    ['call', 'no_such_tool', '{}'],
    ['call', 'region', '{"region":"eu-west","query":"q"}'],
    ['call', 'confirm', '{"what":"go on"}'],
    ['call', 'slow', '{"ms":60,"steps":2}'],
];
const LEGACY = [
    ['list'],
    ['call', 'echo', '{"message":"hello"}'],
    ['call', 'get-structured-content', '{"location":"New York"}'],
    ['call', 'no_such_tool', '{}'],
    ['call', 'get-sum', '{"a":"x"}'],
    ['call', 'trigger-long-running-operation', '{"duration":0.2,"steps":2}'],
];
const PAIRS = [
    { name: 'v2-modern_modern-server', client: 'v2', mode: 'modern', server: 'modern', commands: MODERN },
    { name: 'python-modern_modern-server', client: 'python', mode: 'modern', server: 'modern', commands: MODERN },
    { name: 'v2-auto_legacy-server', client: 'v2', mode: 'auto', server: 'legacy', commands: LEGACY },
    { name: 'v1_legacy-server', client: 'v1', mode: '2025-11-25', server: 'legacy', commands: LEGACY },
    { name: 'v1-2025-06-18_legacy-server', client: 'v1', mode: '2025-06-18', server: 'legacy', commands: LEGACY },
    { name: 'python-auto_legacy-server', client: 'python', mode: 'auto', server: 'legacy', commands: LEGACY.slice(0, 2) },
    { name: 'v1_modern-server', client: 'v1', mode: '2025-11-25', server: 'modern', commands: [['list']] },
    { name: 'v2-modern_legacy-server', client: 'v2', mode: 'modern', server: 'legacy', commands: [['list']] },
    { name: 'python-modern_legacy-server', client: 'python', mode: 'modern', server: 'legacy', commands: [['list']] },
];

/** Hand-made requests, for the errors that a well-behaved client never provokes. */
const envelope = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'hand', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
};
const modernHeaders = (method, name) => ({
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(name ? { 'mcp-name': name } : {}),
});
const rpc = (method, params, id = 1) => JSON.stringify({ jsonrpc: '2.0', id, method, params });
const call = (name, args = {}) => rpc('tools/call', { name, arguments: args, _meta: envelope });
const without = (headers, ...names) => Object.fromEntries(Object.entries(headers).filter(([k]) => !names.includes(k)));
const RAW = {
    modern: [
        ['no `_meta`', modernHeaders('tools/list'), rpc('tools/list', {})],
        ['no `Mcp-Method` header', without(modernHeaders('tools/list'), 'mcp-method'), rpc('tools/list', { _meta: envelope })],
        ['no `MCP-Protocol-Version` header', without(modernHeaders('tools/list'), 'mcp-protocol-version'), rpc('tools/list', { _meta: envelope })],
        ['`Mcp-Method` isn’t the body’s', modernHeaders('tools/call', 'echo'), rpc('tools/list', { _meta: envelope })],
        ['no `Mcp-Name` header', modernHeaders('tools/call'), call('echo', { text: 'x' })],
        ['`Mcp-Name` isn’t the body’s', modernHeaders('tools/call', 'add'), call('echo', { text: 'x' })],
        ['`Mcp-Param-Region` missing', modernHeaders('tools/call', 'region'), call('region', { region: 'eu', query: 'q' })],
        ['`Mcp-Param-Region` isn’t the body’s', { ...modernHeaders('tools/call', 'region'), 'mcp-param-region': 'us' }, call('region', { region: 'eu', query: 'q' })],
        ['unknown version', { ...modernHeaders('tools/list'), 'mcp-protocol-version': '2030-01-01' }, rpc('tools/list', { _meta: { ...envelope, 'io.modelcontextprotocol/protocolVersion': '2030-01-01' } })],
        ['unknown method', modernHeaders('no/such'), rpc('no/such', { _meta: envelope })],
        ['a method that the revision dropped', modernHeaders('ping'), rpc('ping', { _meta: envelope })],
        ['a capability that the client didn’t declare', modernHeaders('tools/call', 'confirm'), call('confirm', { what: 'x' })],
        ['a notification', modernHeaders('notifications/cancelled'), JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, _meta: envelope } })],
        ['a batch', modernHeaders('tools/list'), `[${rpc('tools/list', { _meta: envelope })}]`],
        ['not JSON', modernHeaders('tools/list'), '{"jsonrpc":'],
        ['`Accept` without event streams', { ...modernHeaders('tools/list'), accept: 'application/json' }, rpc('tools/list', { _meta: envelope })],
        ['another content type', { ...modernHeaders('tools/list'), 'content-type': 'text/plain' }, rpc('tools/list', { _meta: envelope })],
        ['GET', { accept: 'text/event-stream' }, null, 'GET'],
        ['DELETE', {}, null, 'DELETE'],
    ],
    legacy: [
        ['no session, not an initialize', without(modernHeaders('tools/list'), 'mcp-method', 'mcp-protocol-version'), rpc('tools/list', {})],
        ['unknown session', { ...modernHeaders('tools/list'), 'mcp-session-id': '00000000-0000-4000-8000-000000000000' }, rpc('tools/list', {})],
        ['`server/discover`', modernHeaders('server/discover'), rpc('server/discover', { _meta: envelope })],
        ['GET without a session', { accept: 'text/event-stream' }, null, 'GET'],
        ['DELETE without a session', {}, null, 'DELETE'],
        ['not JSON', modernHeaders('tools/list'), '{"jsonrpc":'],
        ['`Accept` without event streams', { 'content-type': 'application/json', accept: 'application/json' }, rpc('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'hand', version: '1' } })],
        ['an older revision', { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }, rpc('initialize', { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'hand', version: '1' } })],
        ['an unknown revision', { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }, rpc('initialize', { protocolVersion: '2030-01-01', capabilities: {}, clientInfo: { name: 'hand', version: '1' } })],
    ],
};

mkdirSync(out, { recursive: true });
const children = [];
const ports = {};
for (const [name, file] of Object.entries(SERVERS)) ports[name] = await start(file);

for (const pair of PAIRS) {
    const lines = [`# ${pair.client}, mode ${pair.mode} ↔ ${pair.server} server`, ''];
    for (const command of pair.commands) {
        const recorder = await record(ports[pair.server]);
        const printed = await run(CLIENTS[pair.client], recorder.port, command, pair.mode);
        recorder.server.close();
        recorder.server.closeAllConnections();
        lines.push(`## \`${command.join(' ')}\``, '', ...recorder.exchanges.flatMap(show));
        lines.push('The program printed:', '', '```json', shorten(printed), '```', '');
    }
    writeFileSync(`${out}/${pair.name}.md`, clean(lines.join('\n')));
}
for (const [name, cases] of Object.entries(RAW)) {
    const lines = [`# Requests made by hand to the ${name} server`, ''];
    for (const [title, headers, body, method = 'POST'] of cases) {
        lines.push(`## ${title}`, '', ...show(await exchange(ports[name], method, headers, body)));
    }
    writeFileSync(`${out}/raw_${name}-server.md`, clean(lines.join('\n')));
}
for (const child of children) child.kill();

async function start(file) {
    const child = spawn(process.execPath, [`${here}/${file}`], { stdio: ['pipe', 'pipe', 'ignore'] });
    children.push(child);
    const [line] = await once(child.stdout, 'data');
    return Number(new URL(JSON.parse(line.toString()).url).port);
}

/** A reverse proxy that keeps every exchange, in the order in which the requests came. */
async function record(port) {
    const exchanges = [];
    const server = createServer(async (request, response) => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const body = Buffer.concat(chunks);
        const kept = { method: request.method, path: request.url, headers: pairs(request.rawHeaders), body: body.toString() };
        exchanges.push(kept);
        const headers = { ...request.headers };
        const onward = send({ host: '127.0.0.1', port, method: request.method, path: request.url, headers }, (answer) => {
            kept.status = answer.statusCode;
            kept.answerHeaders = pairs(answer.rawHeaders);
            kept.answer = '';
            response.writeHead(answer.statusCode, answer.rawHeaders);
            answer.on('data', (chunk) => (kept.answer += chunk));
            answer.on('end', () => (kept.ended = true));
            answer.on('error', () => response.destroy());
            answer.pipe(response);
        });
        onward.on('error', () => response.destroy());
        response.on('close', () => onward.destroy());
        onward.end(body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { server, port: server.address().port, exchanges };
}

async function exchange(port, method, headers, body) {
    const kept = { method, path: '/mcp', headers: Object.entries(headers), body: body ?? '' };
    const onward = send({ host: '127.0.0.1', port, method, path: '/mcp', headers });
    onward.end(body ?? undefined);
    const [answer] = await once(onward, 'response');
    kept.status = answer.statusCode;
    kept.answerHeaders = pairs(answer.rawHeaders);
    kept.answer = '';
    for await (const chunk of answer) kept.answer += chunk;
    kept.ended = true;
    return kept;
}

async function run([program, file], port, command, mode) {
    const env = { ...process.env, MODE: mode, TOLLBOOK_TOKEN: 'the-bearer-token', PROGRESS: '1' };
    const child = spawn(program, [file, `http://127.0.0.1:${port}/mcp`, ...command], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (chunk) => (printed += chunk));
    await once(child, 'close');
    return printed;
}

function show({ method, path, headers, body, status, answerHeaders, answer, ended }) {
    const lines = ['```http', `${method} ${path} HTTP/1.1`, ...headers.map(([k, v]) => `${k}: ${v}`)];
    if (body) lines.push('', shorten(body));
    lines.push('```', '```http', `HTTP/1.1 ${status ?? '(no answer)'}`, ...(answerHeaders ?? []).map(([k, v]) => `${k}: ${v}`));
    if (answer) lines.push('', shorten(answer));
    if (status && !ended) lines.push('', '(stream still open when the client went)');
    lines.push('```', '');
    return lines;
}

/** Long lines (images, long lists) are cut: the beginning says what they are. */
function shorten(text) {
    const cut = (line) => (line.length > 3000 ? `${line.slice(0, 3000)}… (${line.length} characters)` : line);
    return text.trim().split('\n').map(cut).join('\n');
}

function pairs(raw) {
    return raw.flatMap((value, i) => (i % 2 ? [] : [[value, raw[i + 1]]]));
}

function clean(text) {
    return text
        .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
        .replace(/^(date): .*$/gim, '$1: DATE')
        .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[1-9a-f][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}(_\d+)?/g, 'UUID')
        .replace(/sha256[:-][0-9a-f]{64}/g, 'SHA256');
}
