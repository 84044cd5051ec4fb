// The tools of the modern upstream: name → definition as listed on the wire, and what a call does.
//
// Input and output schemas are plain JSON Schema, written out, because the tests compare definitions byte for
// byte with what comes out of the gateway.
import { acceptedContent, fromJsonSchema, inputRequired } from '@modelcontextprotocol/server';

const text = (value) => ({ content: [{ type: 'text', text: value }] });
const object = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });

export const TOOLS = {
    echo: {
        definition: {
            title: 'Echo',
            description: 'Says back what it was told',
            inputSchema: object({ text: { type: 'string' } }),
            annotations: { readOnlyHint: true, idempotentHint: true },
        },
        call: ({ text: said }) => text(said),
    },
    add: {
        definition: {
            description: 'Adds two numbers; answers with structured content',
            inputSchema: object({ a: { type: 'number' }, b: { type: 'number' } }),
            outputSchema: object({ sum: { type: 'number' } }),
        },
        call: ({ a, b }) => ({ ...text(JSON.stringify({ sum: a + b })), structuredContent: { sum: a + b } }),
    },
    slow: {
        definition: {
            description: 'Answers after `ms` milliseconds, reporting progress `steps` times where asked for',
            inputSchema: object({ ms: { type: 'integer', minimum: 0 }, steps: { type: 'integer' } }, ['ms']),
        },
        call: slow,
    },
    fail: {
        definition: {
            description: 'Fails: answers with an error result',
            inputSchema: object({}),
        },
        call: () => ({ ...text('it failed, as asked'), isError: true }),
    },
    big: {
        definition: {
            description: 'Answers with a text of `bytes` bytes',
            inputSchema: object({ bytes: { type: 'integer', minimum: 0, maximum: 33554432 } }),
        },
        call: ({ bytes }) => text('x'.repeat(bytes)),
    },
    headers: {
        definition: {
            description: 'Says what headers the request came with: at once, or first as progress in `steps` steps',
            inputSchema: object({ steps: { type: 'integer' } }, []),
        },
        call: headers,
    },
    odd: {
        definition: {
            description: 'Carries fields that no schema names, in its definition and in its result',
            inputSchema: { ...object({}), 'x-vendor-schema': { nested: [1, 2.5, null, 'ü'] } },
            'x-vendor': { price: 1.1, big: 12345678901234567, nothing: null },
            _meta: { 'example.org/tier': 'gold' },
        },
        call: () => ({
            content: [{ type: 'text', text: 'odd', _meta: { 'example.org/part': 1 } }],
            structuredContent: { order: ['z', 'a'], z: 1, a: 2 },
            'x-vendor': 'kept',
            _meta: { 'example.org/trace': 'abc', 'example.org/none': null },
        }),
    },
    region: {
        definition: {
            description: 'Its `region` argument must also travel in the header Mcp-Param-Region',
            inputSchema: object({ region: { type: 'string', 'x-mcp-header': 'Region' }, query: { type: 'string' } }),
        },
        call: ({ region, query }) => text(`${region}: ${query}`),
    },
    confirm: {
        definition: {
            description: 'Asks the person first, in a second round trip',
            inputSchema: object({ what: { type: 'string' } }),
        },
        call: confirm,
    },
};

// As many a server does that is being debugged.
async function headers({ steps = 0 }, context) {
    const { notify, _meta } = context.mcpReq;
    const said = JSON.stringify(Object.fromEntries(context.http?.req?.headers?.entries?.() ?? []));
    for (let step = 1; step <= steps && _meta?.progressToken !== undefined; step += 1) {
        await notify({
            method: 'notifications/progress',
            params: { progressToken: _meta.progressToken, progress: step, total: steps, message: said },
        });
    }
    return text(steps === 0 ? said : 'said');
}

async function slow({ ms, steps = 0 }, context) {
    const { signal, notify, _meta } = context.mcpReq;
    const token = _meta?.progressToken;
    for (let step = 1; step <= steps && token !== undefined; step += 1) {
        await pause(ms / (steps + 1), signal);
        await notify({
            method: 'notifications/progress',
            params: { progressToken: token, progress: step, total: steps, message: `step ${step}` },
        });
    }
    await pause(token === undefined ? ms : ms / (steps + 1), signal);
    return text(`waited ${ms} ms`);
}

function pause(ms, signal) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, ms);
        signal.addEventListener('abort', () => {
            clearTimeout(timer);
            reject(new Error('cancelled'));
        });
    });
}

const CONFIRMATION = object({ yes: { type: 'boolean' } });

function confirm({ what }, context) {
    const answer = acceptedContent(context.mcpReq.inputResponses, 'confirm', fromJsonSchema(CONFIRMATION));
    if (answer === undefined) {
        return inputRequired({
            inputRequests: { confirm: inputRequired.elicit({ message: `${what}?`, requestedSchema: CONFIRMATION }) },
            requestState: `asked-${what}`,
        });
    }
    return text(answer.yes ? `${what}: confirmed` : `${what}: declined`);
}
