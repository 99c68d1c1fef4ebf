// Publish one message to Atoll from Node.js:
//
//   node publish.mjs event order.created '{"eventType": "order.created", "data": {"orderId": "7"}}'
//   node publish.mjs command product-service '{"command": "reserve.stock", "data": {...}}'
//
// An optional last argument gives properties: '{"messageId": "...", "appId": "...", "correlationId": "..."}'.
import amqplib from 'amqplib';

const [kind, routingKey, body, properties = '{}'] = process.argv.slice(2);
const prefix = process.env.BUS_PREFIX ?? '';
const exchange = `${prefix}${kind}s`;

const connection = await amqplib.connect(process.env.AMQP_URL ?? 'amqp://localhost');
const channel = await connection.createConfirmChannel();
await channel.assertExchange(`${prefix}events`, 'topic', { durable: true });
await channel.assertExchange(`${prefix}commands`, 'direct', { durable: true });

// The broker returns a command without a queue before it confirms it.
channel.on('return', () => {
  console.error(`No service takes commands as ${routingKey}.`);
  process.exitCode = 1;
});
channel.publish(exchange, routingKey, Buffer.from(body), {
  persistent: true,
  mandatory: kind === 'command',
  contentType: 'application/json',
  ...JSON.parse(properties),
});
await channel.waitForConfirms();
await connection.close();
