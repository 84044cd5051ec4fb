// Client of the former generation (`@modelcontextprotocol/sdk` 1.x), which stops at revision 2025-11-25.
//
// MODE: `2025-11-25` (default, what it offers by itself), or an older revision to offer instead: some clients in
// the field still do.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { answer, headers } from './answer.mjs';

const offered = process.env.MODE ?? '2025-11-25';

await answer(async (url) => {
    const client = new Client({ name: 'tollbook-test-v1', version: '1.0.0' }, { capabilities: {} });
    const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers: headers() } });
    const send = transport.send.bind(transport);
    transport.send = (message, options) => send(offer(message), options);
    await client.connect(transport);
    return {
        client: { listTools: client.listTools.bind(client), close: () => end(client, transport), callTool },
        negotiated: () => ({
            protocol_version: transport.protocolVersion ?? null,
            server: client.getServerVersion() ?? null,
        }),
        discover: async () => ({ capabilities: client.getServerCapabilities(), instructions: client.getInstructions() }),
    };

    function callTool(params, options) {
        return client.callTool(params, undefined, options);
    }
});

function offer(message) {
    if (message.method !== 'initialize') return message;
    return { ...message, params: { ...message.params, protocolVersion: offered } };
}

/** Ends the protocol session too, where the server made one. */
async function end(client, transport) {
    await transport.terminateSession();
    await client.close();
}
