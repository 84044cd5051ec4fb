// Upstream of the older revisions (2025-11-25, 2025-06-18): the published everything server, with the counting
// front before it, in one process.
import { request as send } from 'node:http';
import { Server } from 'node:net';
import { serve } from './front.mjs';

// Standard output belongs to the one line that says where we listen.
console.log = console.error;

const inner = await everything();
serve(pass);

/**
 * Starts the everything server. It listens on every interface and on a port that must be known beforehand, so
 * its `listen` is made to take a free loopback port instead.
 */
async function everything() {
    const listen = Server.prototype.listen;
    const started = new Promise((resolve) => {
        Server.prototype.listen = function onLoopback(_port, ready) {
            Server.prototype.listen = listen;
            return listen.call(this, 0, '127.0.0.1', () => {
                ready?.();
                resolve(this.address().port);
            });
        };
    });
    await import('@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js');
    return started;
}

function pass(request, response, body) {
    const { method, url: path, headers } = request;
    const onward = send({ host: '127.0.0.1', port: inner, method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(response);
        answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end(body);
}
