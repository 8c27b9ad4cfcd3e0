// Microsoft's SDK does one thing against the hub of EVENTHUB_CONNECTION_STRING and prints what it
// saw as JSON lines. Usage: node scenarios.js NAME

const {
  EventHubConsumerClient,
  EventHubProducerClient,
  earliestEventPosition,
} = require("@azure/event-hubs");

const connectionString = process.env.EVENTHUB_CONNECTION_STRING;
const group = EventHubConsumerClient.defaultConsumerGroupName;

const report = (value) => console.log(JSON.stringify(value));
const consumer = () => new EventHubConsumerClient(group, connectionString);

async function withProducer(use) {
  const producer = new EventHubProducerClient(connectionString);
  try {
    return await use(producer);
  } finally {
    await producer.close();
  }
}

// A reader of partition 0 from the start: `event()` resolves with its next event, `error()` with
// its next error.
function read(client, options) {
  const waiting = { event: [], error: [] };
  const seen = { event: [], error: [] };
  const push = (kind, value) => (waiting[kind].shift() ?? ((v) => seen[kind].push(v)))(value);
  const next = (kind) =>
    seen[kind].length > 0
      ? Promise.resolve(seen[kind].shift())
      : new Promise((resolve) => waiting[kind].push(resolve));
  const subscription = client.subscribe(
    "0",
    {
      processEvents: async (events) => events.forEach((event) => push("event", event)),
      processError: async (error) => push("error", error),
    },
    { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1, ...options },
  );
  return { event: () => next("event"), error: () => next("error"), close: () => subscription.close() };
}

const shown = (error) => ({ name: error.name, code: error.code, message: error.message });

const scenarios = {
  async properties() {
    await withProducer(async (producer) => {
      report(await producer.getEventHubProperties());
      report(await producer.getPartitionProperties("0"));
      await producer.sendBatch([{ body: "one" }, { body: "two" }], { partitionId: "0" });
      report(await producer.getPartitionProperties("0"));
    });
  },

  async batch() {
    await withProducer(async (producer) => {
      const batch = await producer.createBatch({ partitionId: "1" });
      for (let n = 0; n < 100; n++) {
        batch.tryAdd({ body: `event ${n}`, properties: { n } });
      }
      report({ count: batch.count, maxSizeInBytes: batch.maxSizeInBytes });
      await producer.sendBatch(batch);
    });
  },

  async single() {
    await withProducer((producer) => producer.sendBatch([{ body: Buffer.from("alone") }]));
  },

  async keyed() {
    await withProducer(async (producer) => {
      for (const partitionKey of ["device1", "device3", "device4", "日本語", "device1"]) {
        const batch = await producer.createBatch({ partitionKey });
        batch.tryAdd({ body: Buffer.from(partitionKey) });
        await producer.sendBatch(batch);
      }
    });
  },

  // Batches of many frames, each way.
  async large() {
    const body = Buffer.alloc(200_000, "x");
    await withProducer((producer) =>
      producer.sendBatch([{ body }, { body }, { body }, { body }], { partitionId: "0" }),
    );
    const client = consumer();
    const reader = read(client);
    for (let n = 0; n < 4; n++) {
      const event = await reader.event();
      report({ intact: Buffer.compare(body, event.body) === 0 });
    }
    await client.close();
  },

  async receive() {
    await withProducer(async (producer) => {
      const keyed = await producer.createBatch({ partitionId: "0" });
      keyed.tryAdd({
        body: { text: "first" },
        properties: { text: "a", number: 7, flag: true },
        messageId: "m1",
        correlationId: "c1",
        contentType: "text/x",
      });
      keyed.tryAdd({ body: "second" });
      await producer.sendBatch(keyed);
      await producer.sendBatch([{ body: "third" }], { partitionId: "0" });
    });
    const client = consumer();
    const reader = read(client);
    for (let n = 0; n < 3; n++) {
      const event = await reader.event();
      report({
        body: event.body,
        properties: event.properties,
        messageId: event.messageId,
        correlationId: event.correlationId,
        contentType: event.contentType,
        sequenceNumber: event.sequenceNumber,
        offset: event.offset,
        enqueuedTime: event.enqueuedTimeUtc.getTime(),
      });
    }
    await client.close();
  },

  async theft() {
    for (const level of [2, 3]) {
      await theftBy(level);
    }
  },

  async refusal() {
    await withProducer((producer) => producer.sendBatch([{ body: "one" }], { partitionId: "0" }));
    const [holding, asking] = [consumer(), consumer()];
    const holder = read(holding, { ownerLevel: 2 });
    await holder.event();
    for (const options of [{ ownerLevel: 1 }, {}]) {
      const refused = read(asking, options);
      report({ refused: shown(await refused.error()) });
      await refused.close();
    }
    await withProducer((producer) => producer.sendBatch([{ body: "two" }], { partitionId: "0" }));
    report({ holderStillReads: (await holder.event()).body });
    await Promise.all([holding.close(), asking.close()]);
  },

  async wrongKey() {
    const forged = connectionString.replace(/SharedAccessKey=[^;]*/, "SharedAccessKey=wrong");
    const producer = new EventHubProducerClient(forged, { retryOptions: { maxRetries: 0 } });
    report({ refused: shown(await producer.getEventHubProperties().catch((error) => error)) });
    await producer.close();
  },

  async unknownHub() {
    const elsewhere = connectionString.replace(/EntityPath=[^;]*/, "EntityPath=nope");
    const producer = new EventHubProducerClient(elsewhere, { retryOptions: { maxRetries: 0 } });
    report({ refused: shown(await producer.sendBatch([{ body: "x" }]).catch((error) => error)) });
    await producer.close();
  },
};

async function theftBy(level) {
  await withProducer((producer) => producer.sendBatch([{ body: "one" }], { partitionId: "0" }));
  const [first, second] = [consumer(), consumer()];
  const holder = read(first, { ownerLevel: 2 });
  await holder.event();
  const thief = read(second, { ownerLevel: level });
  report({ displaced: shown(await holder.error()) });
  report({ thiefReads: (await thief.event()).body });
  await Promise.all([first.close(), second.close()]);
}

scenarios[process.argv[2]]().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
