// Upstream of the current revision (2026-07-28), made with the published server package.
//
// Strict by default: requests of the older era are refused. `LEGACY=stateless` lets it serve both.
// `POST /__control {"echo_description": "…"}` changes a definition, as a server that drifts would.
import { createMcpHandler, fromJsonSchema, McpServer } from '@modelcontextprotocol/server';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { serve } from './front.mjs';
import { TOOLS } from './tools.mjs';

let echoDescription = TOOLS.echo.definition.description;

function definitions() {
    return Object.entries(TOOLS).map(([name, tool]) => ({
        name,
        ...tool.definition,
        ...(name === 'echo' ? { description: echoDescription } : {}),
    }));
}

function server() {
    const mcp = new McpServer({ name: 'modern-upstream', version: '1.0.0' }, { instructions: 'Tools to test with.' });
    for (const [name, { definition, call }] of Object.entries(TOOLS)) {
        const config = { description: definition.description, inputSchema: fromJsonSchema(definition.inputSchema) };
        if (definition.outputSchema) config.outputSchema = fromJsonSchema(definition.outputSchema);
        mcp.registerTool(name, config, call);
    }
    // The list as written in tools.mjs: the package's own would drop the fields that it doesn't know.
    mcp.server.setRequestHandler('tools/list', () => ({ tools: definitions() }));
    return mcp;
}

const handler = createMcpHandler(server, { legacy: process.env.LEGACY ?? 'reject' });
const answer = toNodeHandler(handler);

serve(
    (request, response, body) => answer(request, response, body.length ? parsed(body) : undefined),
    (settings) => {
        echoDescription = settings.echo_description ?? echoDescription;
        handler.notify.toolsChanged();
    },
);

/** A body that isn't JSON is handed on as text, for the package to refuse in its own words. */
function parsed(body) {
    try {
        return JSON.parse(body.toString('utf8'));
    } catch {
        return body.toString('utf8');
    }
}
