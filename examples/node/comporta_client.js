// Client for publishing change events to Comporta: one file to copy. It needs amqplib alone: npm install amqplib
//
//   const client = new ComportaClient("amqp://user:password@host:5672/vhost", "main");
//   const results = await client.publish([{ domain: "stock", id: "stock-18446", body: "{…}" }]);
//
// `publish` resolves to one result for each event, in order, once the broker has answered for all of them. An event
// whose `reason` is null is confirmed: a queue keeps it. The types are in the comments, where TypeScript reads them
// too (`allowJs`). From the command line, with lines of DOMAIN, ID and JSON between tabs:
//
//   node comporta_client.js URL FILE
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import amqp from "amqplib";

const WINDOW = 500; // Events that wait for their confirm at a time.
const SILENCE = 30_000; // Milliseconds without any confirm until the connection counts as lost.
const ATTEMPTS = 5; // Connections in a row that confirm nothing.

/**
 * An event as it is sent; the same change has the same id and the same body, however often it is sent.
 * @typedef {{ domain: string, id: string, body: string }} ComportaEvent
 * @typedef {{ event: ComportaEvent, reason: string | null }} Result
 */

/** Publisher of one shop's events. */
export class ComportaClient {
  /** @param {string} url @param {string} shop */
  constructor(url, shop = "main") {
    this.url = url;
    this.shop = shop;
  }

  /**
   * Publishes a batch; what is not confirmed when a connection is lost is sent again, the same to the letter.
   * @param {ComportaEvent[]} events @returns {Promise<Result[]>}
   */
  async publish(events) {
    /** @type {Map<number, string | null>} */
    const reasons = new Map();
    let lost = "";
    for (let failed = 0; reasons.size < events.length && failed < ATTEMPTS; ) {
      if (failed) await sleep(1000 * 2 ** (failed - 1));
      const before = reasons.size;
      try {
        await this.#attempt(events, reasons);
      } catch (error) {
        lost = /** @type {Error} */ (error).message;
      }
      failed = reasons.size === before ? failed + 1 : 0;
    }
    const gone = `no answer from the broker in ${ATTEMPTS} attempts: ${lost}`;
    return events.map((event, number) => ({ event, reason: reasons.has(number) ? reasons.get(number) ?? null : gone }));
  }

  /**
   * One connection: sends what has no answer yet, and notes the answers.
   * @param {ComportaEvent[]} events @param {Map<number, string | null>} reasons
   */
  async #attempt(events, reasons) {
    const address = new URL(this.url);
    if (!address.searchParams.has("heartbeat")) address.searchParams.set("heartbeat", "30");
    const connection = await amqp.connect(address.href, { timeout: 10_000 });
    connection.on("error", () => {}); // It closes the channel too, which is heard below.
    try {
      const channel = await connection.createConfirmChannel();
      const unsent = events.map((_, number) => number).filter((number) => !reasons.has(number));
      const returned = new Set();
      await new Promise((resolve, reject) => {
        let unanswered = 0;
        const silent = setTimeout(() => reject(new Error(`no confirm within ${SILENCE / 1000} s`)), SILENCE);
        const finish = (/** @type {() => void} */ end) => (clearTimeout(silent), end());
        channel.on("error", (error) => {
          for (const number of events.keys()) {
            if (!reasons.has(number)) reasons.set(number, `refused: ${error.message}; has Comporta run here?`);
          }
          finish(() => resolve(undefined));
        });
        channel.on("close", () => finish(() => reject(new Error("the connection was lost"))));
        // An event without a queue is returned first, and confirmed after that.
        channel.on("return", (message) => returned.add(message.properties.messageId));
        const send = () => {
          while (unsent.length && unanswered < WINDOW) {
            const number = /** @type {number} */ (unsent.shift());
            const { domain, id, body } = events[number];
            const route = `${this.shop}.${domain}`;
            unanswered++;
            const properties = { contentType: "application/cloudevents+json", persistent: true, messageId: id };
            channel.publish("erp.events", route, Buffer.from(body), { ...properties, mandatory: true }, (error) => {
              unanswered--;
              // A publish that failed because its channel is closed says nothing of the event.
              if (error && !/nacked/.test(error.message)) return;
              if (error) reasons.set(number, "nacked: the broker could not keep the event; look at its log");
              else if (returned.has(id)) reasons.set(number, `returned: no queue takes ${route}; has Comporta run here?`);
              else reasons.set(number, null);
              silent.refresh();
              send();
            });
          }
          if (!unanswered && !unsent.length) finish(() => resolve(undefined));
        };
        send();
      });
    } finally {
      await connection.close().catch(() => {}); // It may be lost by now.
    }
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [url, file] = process.argv.slice(2);
  if (!url || !file) {
    console.error("usage: node comporta_client.js URL FILE");
    process.exit(2);
  }
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  const events = lines.map((line) => {
    const [domain, id, body] = line.split("\t");
    return { domain, id, body };
  });
  const results = await new ComportaClient(url).publish(events);
  const failed = results.filter((result) => result.reason !== null);
  for (const { event, reason } of failed) console.error(`NOT confirmed: ${event.id}: ${reason}`);
  console.log(`confirmed: ${results.length - failed.length}`);
  process.exit(failed.length ? 1 : 0); // A connection that could not be closed would keep the process.
}
