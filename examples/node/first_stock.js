// Publishes a first stock event to Comporta. It needs amqplib alone: npm ci
//
//   node first_stock.js [URL [SEQUENCE [ON_HAND]]]
//
// URL is amqp://user:password@host:5672/vhost, or else the environment's COMPORTA_BROKER_URL.
// Exit code 0: confirmed; 1: not confirmed, the reason is on standard error; 2: wrong usage.
import { setTimeout as sleep } from "node:timers/promises";
import amqp from "amqplib";

const SHOP = "main";
const ATTEMPTS = 5;

/** The broker answered, and did not take the event: sending it again at once would not help. */
class NotTakenError extends Error {}

/** One balance as it is now: an absolute state, with numbers in strings so that they keep their digits. */
function stockEvent(sequence, onHand) {
  // When the change was made, as the ERP's table says: sent again, it is the same event to the letter.
  const changedAt = "2026-11-23T07:22:51-03:00";
  return {
    specversion: "1.0",
    id: `stock-${sequence}`, // The same change has the same id, however often it is sent.
    source: "/erp/example/1",
    type: "erp.stock.changed.v1",
    time: changedAt,
    sequence, // Counts up with every change; of one key the highest wins.
    data: { product_code: "7891000", branch: "1", warehouse: "MAIN", on_hand: onHand, unit: "UN", as_of: changedAt },
  };
}

/** Resolves once the broker has confirmed that a queue keeps the event. */
async function publish(url, event) {
  const connection = await amqp.connect(url, { timeout: 10_000 });
  connection.on("error", () => {}); // It closes the channel too, which is heard below.
  try {
    const channel = await connection.createConfirmChannel();
    await new Promise((resolve, reject) => {
      // A broker short of memory or disk answers nothing for a while.
      setTimeout(() => reject(new Error("no confirm within 30 s")), 30_000).unref();
      const refuse = (why) => reject(new NotTakenError(why));
      channel.on("error", (error) => refuse(`refused: ${error.message}; has Comporta run on this broker?`));
      // An event without a queue is returned first, and confirmed after that.
      channel.on("return", () => refuse(`returned: no queue takes ${SHOP}.stock; has Comporta run on this broker?`));
      // Before the library's own listener, which only knows that the publish has failed.
      channel.prependListener("nack", () => refuse("nacked: the broker could not keep the event; look at its log"));
      const body = Buffer.from(JSON.stringify(event));
      const properties = { contentType: "application/cloudevents+json", persistent: true, messageId: event.id };
      channel.publish("erp.events", `${SHOP}.stock`, body, { ...properties, mandatory: true }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  } finally {
    await connection.close().catch(() => {}); // It may be lost by now.
  }
}

/** Without an answer the event may have arrived or not: sending it again with the same id is safe. */
async function publishUntilConfirmed(url, event) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await publish(url, event);
    } catch (error) {
      if (error instanceof NotTakenError) throw error;
      if (attempt === ATTEMPTS) {
        throw new NotTakenError(`no answer from the broker in ${ATTEMPTS} attempts: ${error.message}`);
      }
      await sleep(1000 * 2 ** (attempt - 1));
    }
  }
}

const [url = process.env.COMPORTA_BROKER_URL, sequence = "1", onHand = "12.000"] = process.argv.slice(2);
if (!url) {
  console.error("usage: node first_stock.js amqp://user:password@host:5672/vhost [SEQUENCE [ON_HAND]]");
  process.exit(2);
}
const stock = stockEvent(sequence, onHand);
try {
  await publishUntilConfirmed(url, stock);
  console.log(`confirmed: ${stock.id} for ${SHOP}.stock, sequence ${stock.sequence}`);
} catch (error) {
  console.error(`NOT confirmed: ${stock.id}: ${error.message}`);
  process.exit(1); // A connection that could not be closed would keep the process.
}
