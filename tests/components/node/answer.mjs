// What both client programs share: the command line, and one JSON document on standard output.
//
//   TOLLBOOK_TOKEN=… node client-….mjs URL list
//   TOLLBOOK_TOKEN=… node client-….mjs URL call NAME '{"json": "arguments"}'
//   TOLLBOOK_TOKEN=… node client-….mjs URL discover
//
// Other environment: MODE (see the client), TIMEOUT_MS (default 30000; when it passes, the client cancels).

/** The headers of every request: the bearer token, where there is one. */
export function headers() {
    const token = process.env.TOLLBOOK_TOKEN;
    return token ? { authorization: `Bearer ${token}` } : {};
}

/**
 * Runs one command with `connect(url)`, which answers with the client and how to describe what was negotiated.
 * Prints `{ ok: true, protocol_version, server, result }` or `{ ok: false, protocol_version, error }`, and exits
 * with 0 for both: an error is an answer, and only a broken program exits otherwise.
 */
export async function answer(connect) {
    const [url, command, name, args] = process.argv.slice(2);
    let negotiated = () => ({ protocol_version: null, server: null });
    let document;
    let client;
    try {
        const connection = await connect(new URL(url));
        ({ client, negotiated } = connection);
        const result = await run(connection, command, name, args);
        document = { ok: true, ...negotiated(), result };
    } catch (error) {
        document = { ok: false, ...negotiated(), error: describe(error) };
    }
    process.stdout.write(`${JSON.stringify(document)}\n`);
    await client?.close().catch(() => {});
    process.exit(0);
}

async function run({ client, discover }, command, name, args) {
    const options = { timeout: Number(process.env.TIMEOUT_MS ?? 30_000) };
    switch (command) {
        case 'list':
            return client.listTools(undefined, options);
        case 'call':
            return call(client, { name, arguments: JSON.parse(args ?? '{}') }, options);
        case 'discover':
            return discover();
        default:
            throw new Error(`no such command: ${command}`);
    }
}

/** Progress notifications that came with the call are part of the document, under `progress`. */
async function call(client, params, options) {
    const progress = [];
    const onprogress = process.env.PROGRESS ? (step) => progress.push(step) : undefined;
    const result = await client.callTool(params, { ...options, onprogress });
    return onprogress ? { ...result, progress } : result;
}

/** Code, message, HTTP status and data, as far as the error has them. */
function describe(error) {
    return {
        kind: error.constructor?.name ?? 'Error',
        code: error.code ?? null,
        message: String(error.message ?? error),
        http_status: error.status ?? error.data?.status ?? null,
        data: error.data ?? null,
        cause: error.cause ? String(error.cause.message ?? error.cause) : null,
    };
}
