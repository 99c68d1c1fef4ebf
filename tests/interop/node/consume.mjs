// Receive Atoll's messages in Node.js, on a durable queue of our own:
//
//   node consume.mjs event 'order.#' evt.mail-service
//   node consume.mjs command mail-service cmd.mail-service
//
// Prints one line of JSON per message. An optional last argument is the number of messages to receive.
import amqplib from 'amqplib';

const [kind, bindingKey, queue, count = 'Infinity'] = process.argv.slice(2);
const exchange = `${process.env.BUS_PREFIX ?? ''}${kind}s`;

const connection = await amqplib.connect(process.env.AMQP_URL ?? 'amqp://localhost');
const channel = await connection.createChannel();
await channel.assertExchange(exchange, kind === 'event' ? 'topic' : 'direct', { durable: true });
await channel.assertQueue(queue, { durable: true });
await channel.bindQueue(queue, exchange, bindingKey);
await channel.prefetch(20);

let received = 0;
await channel.consume(queue, async (message) => {
  const { messageId, type, appId, correlationId, contentType, deliveryMode, headers } = message.properties;
  const properties = { messageId, type, appId, correlationId, contentType, deliveryMode, headers };
  const body = JSON.parse(message.content.toString());
  console.log(JSON.stringify({ routingKey: message.fields.routingKey, properties, body }));
  // Acknowledge a message after handling it. The same messageId may come again: store it with your data.
  channel.ack(message);
  if (++received >= Number(count)) {
    await channel.close();
    await connection.close();
  }
});
console.error('consuming');
