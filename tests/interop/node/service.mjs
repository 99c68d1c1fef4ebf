// A service in Node.js that joins Atoll:
//
//   SERVICE_NAME=report-service SERVICE_SECRET=... REGISTRY_URL=http://127.0.0.1:8005 node service.mjs

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { ServiceRegistryClient } from './registry.mjs';

const { REGISTRY_URL, SERVICE_NAME, SERVICE_SECRET, HOST = '127.0.0.1', PORT = '0' } = process.env;

const server = createServer((request, response) => {
  // The gateway has verified the caller: an id, and a JSON array of roles.
  const user = request.headers['x-user-id'] ?? null;
  const roles = JSON.parse(request.headers['x-user-roles'] ?? '[]');
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ path: request.url, user, roles }));
});
await new Promise((listening) => server.listen(Number(PORT), HOST, listening));

const registry = new ServiceRegistryClient(REGISTRY_URL, SERVICE_NAME, SERVICE_SECRET);
const id = `${SERVICE_NAME}-${randomUUID()}`;
await registry.start({ id, host: HOST, port: server.address().port, metadata: { version: '1.0.0' } });
console.log(`${id} registered`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, async () => {
    // Leave discovery first, and answer for a moment the callers that do not know yet.
    await registry.stop().catch(console.error);
    setTimeout(() => server.close(() => process.exit(0)), 1000);
    server.closeIdleConnections();
  });
}
