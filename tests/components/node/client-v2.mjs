// Client of the current generation (`@modelcontextprotocol/client` 2.x).
//
// MODE: `modern` (default; 2026-07-28 and nothing else), `auto` (asks, falls back) or `legacy` (the handshake).
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { answer, headers } from './answer.mjs';

const MODES = { modern: { pin: '2026-07-28' }, auto: 'auto', legacy: 'legacy' };

await answer(async (url) => {
    const client = new Client(
        { name: 'tollbook-test-v2', version: '1.0.0' },
        { versionNegotiation: { mode: MODES[process.env.MODE ?? 'modern'] }, capabilities: { elicitation: {} } },
    );
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { yes: true } }));
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: headers() } }));
    return {
        client,
        negotiated: () => ({
            protocol_version: client.getNegotiatedProtocolVersion() ?? null,
            server: client.getServerVersion() ?? null,
        }),
        discover: async () =>
            client.getProtocolEra() === 'modern'
                ? client.discover()
                : { capabilities: client.getServerCapabilities(), instructions: client.getInstructions() },
    };
});
