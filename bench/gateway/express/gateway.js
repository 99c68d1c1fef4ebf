// The usual Express gateway, with the features that the measured gateway has: token, limit in Redis,
// CORS, correlation id, access log, and an agent that keeps connections to the service.
const http = require("node:http");
const crypto = require("node:crypto");
const fs = require("node:fs");
const express = require("express");
const cors = require("cors");
const jsonwebtoken = require("jsonwebtoken");
const Redis = require("ioredis").default;
const { rateLimit } = require("express-rate-limit");
const { RedisStore } = require("rate-limit-redis");
const { createProxyMiddleware } = require("http-proxy-middleware");

const { PORT, REDIS_URL, BACKENDS, PUBLIC_KEY, ISSUER, AUDIENCE, LOG, ORIGIN } = process.env;
const backends = BACKENDS.split(",");
const key = crypto.createPublicKey(fs.readFileSync(PUBLIC_KEY));
const redis = new Redis(REDIS_URL);
const log = fs.createWriteStream(LOG, { flags: "a" });
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
let next = 0;

const app = express();
app.disable("x-powered-by");
app.use(cors({ origin: ORIGIN, credentials: true }));
app.use((request, response, then) => {
  const started = process.hrtime.bigint();
  const id = request.get("x-correlation-id") || crypto.randomUUID();
  request.headers["x-correlation-id"] = id;
  response.set("X-Correlation-ID", id);
  response.on("finish", () => {
    const milliseconds = Number(process.hrtime.bigint() - started) / 1e6;
    log.write(JSON.stringify({ at: Date.now(), id, method: request.method, path: request.originalUrl,
      status: response.statusCode, milliseconds, client: request.ip, user: request.user }) + "\n");
  });
  then();
});
app.use((request, response, then) => {
  const token = (request.get("authorization") || "").replace(/^Bearer /, "");
  jsonwebtoken.verify(token, key, { algorithms: ["RS256"], issuer: ISSUER, audience: AUDIENCE }, (error, claims) => {
    if (error) return response.status(403).json({ error: "Invalid or expired token" });
    request.user = claims.sub;
    request.headers["x-user-id"] = claims.sub;
    then();
  });
});
app.use(rateLimit({
  windowMs: 60_000, limit: 1_000_000_000, standardHeaders: "draft-7", legacyHeaders: false,
  keyGenerator: (request) => request.user,
  store: new RedisStore({ sendCommand: (command, ...rest) => redis.call(command, ...rest) }),
}));
app.use(createProxyMiddleware({
  target: backends[0],
  router: () => backends[next++ % backends.length],
  pathRewrite: { "^/api": "" },
  agent,
  xfwd: true,
}));
const server = app.listen(Number(PORT), "127.0.0.1");
server.keepAliveTimeout = 75_000;
