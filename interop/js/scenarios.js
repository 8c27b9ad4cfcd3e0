// Microsoft's SDK does one thing against the hub of EVENTHUB_CONNECTION_STRING and prints what it
// saw as JSON lines. Usage: node scenarios.js NAME

const {
  EventHubConsumerClient,
  EventHubProducerClient,
  earliestEventPosition,
} = require("@azure/event-hubs");
const WebSocket = require("ws");

const connectionString = process.env.EVENTHUB_CONNECTION_STRING;
const group = EventHubConsumerClient.defaultConsumerGroupName;
// The delay between attempts is 30 s unless told.
const clientOptions = { retryOptions: { maxRetries: 3, retryDelayInMs: 500 } };
if (process.env.EVENTHUB_WEBSOCKET) {
  clientOptions.webSocketOptions = { webSocket: WebSocket };
}

const report = (value) => console.log(JSON.stringify(value));
const consumer = () => new EventHubConsumerClient(group, connectionString, clientOptions);

async function withProducer(use) {
  const producer = new EventHubProducerClient(connectionString, clientOptions);
  try {
    return await use(producer);
  } finally {
    await producer.close();
  }
}

const send = (bodies, options) =>
  withProducer((producer) => producer.sendBatch(bodies.map((body) => ({ body })), options));

// A reader of a partition from the start: `event()` resolves with its next event, `error()`
// rejects with its next error.
function read(client, options, partition = "0") {
  const waiting = { event: [], error: [] };
  const seen = { event: [], error: [] };
  const push = (kind, value) => (waiting[kind].shift() ?? ((v) => seen[kind].push(v)))(value);
  const next = (kind) =>
    seen[kind].length > 0
      ? Promise.resolve(seen[kind].shift())
      : new Promise((resolve) => waiting[kind].push(resolve));
  const subscription = client.subscribe(
    partition,
    {
      processEvents: async (events) => events.forEach((event) => push("event", event)),
      processError: async (error) => push("error", error),
    },
    { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1, ...options },
  );
  return {
    event: () => next("event"),
    error: async () => {
      throw await next("error");
    },
    close: () => subscription.close(),
  };
}

// Reports how a promise ends, and after how many seconds.
async function outcome(what, action) {
  const start = performance.now();
  const ended = await action().then(
    () => ({}),
    (error) => ({ type: error.code ?? error.name, message: error.message }),
  );
  report({ what, seconds: (performance.now() - start) / 1000, ...ended });
}

const scenarios = {
  async properties() {
    const partition = async (producer) => {
      const seen = await producer.getPartitionProperties("0");
      report({
        hub: seen.eventHubName,
        partition: seen.partitionId,
        empty: seen.isEmpty,
        beginning: seen.beginningSequenceNumber,
        last: seen.lastEnqueuedSequenceNumber,
        offset: seen.lastEnqueuedOffset,
      });
    };
    await withProducer(async (producer) => {
      const hub = await producer.getEventHubProperties();
      const created = Math.floor(hub.createdOn.getTime() / 1000);
      report({ hub: hub.name, partitions: hub.partitionIds, created });
      await partition(producer);
      await producer.sendBatch([{ body: "one" }, { body: "two" }], { partitionId: "0" });
      await partition(producer);
    });
  },

  async batch() {
    await withProducer(async (producer) => {
      const batch = await producer.createBatch({ partitionId: "1" });
      for (let n = 0; n < 100; n++) {
        batch.tryAdd({ body: Buffer.from(`event ${n}`), properties: { n } });
      }
      report({ count: batch.count, max_size: batch.maxSizeInBytes });
      await producer.sendBatch(batch);
    });
  },

  async single() {
    await send([Buffer.from("alone")]);
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
    await send([body, body, body, body], { partitionId: "0" });
    const client = consumer();
    const reader = read(client);
    for (let n = 0; n < 4; n++) {
      report({ intact: Buffer.compare(body, (await reader.event()).body) === 0 });
    }
    await client.close();
  },

  async receive() {
    await withProducer(async (producer) => {
      const two = await producer.createBatch({ partitionId: "0" });
      two.tryAdd({
        body: "first",
        properties: { text: "a", number: 7, flag: true },
        messageId: "m1",
        correlationId: "c1",
        contentType: "text/x",
      });
      two.tryAdd({ body: "second" });
      await producer.sendBatch(two);
      await producer.sendBatch([{ body: "third" }], { partitionId: "0" });
    });
    const client = consumer();
    const reader = read(client, { trackLastEnqueuedEventProperties: true });
    for (let n = 0; n < 3; n++) {
      const event = await reader.event();
      report({
        body: event.body,
        properties: event.properties ?? {},
        message_id: event.messageId,
        correlation_id: event.correlationId,
        content_type: event.contentType,
        sequence_number: event.sequenceNumber,
        offset: event.offset,
        enqueued: event.enqueuedTimeUtc.getTime(),
      });
    }
    await client.close();
  },

  async theft() {
    for (const ownerLevel of [2, 3]) {
      await send(["one"], { partitionId: "0" });
      const [first, second] = [consumer(), consumer()];
      const holder = read(first, { ownerLevel: 2 });
      await holder.event();
      const thief = read(second, { ownerLevel });
      report({ thief_reads: (await thief.event()).body });
      await outcome("displaced", holder.error);
      await Promise.all([first.close(), second.close()]);
    }
  },

  async refusal() {
    await send(["one"], { partitionId: "0" });
    const [holding, asking] = [consumer(), consumer()];
    const holder = read(holding, { ownerLevel: 2 });
    await holder.event();
    for (const options of [{ ownerLevel: 1 }, {}]) {
      const refused = read(asking, options);
      await outcome("refused", refused.error);
      await refused.close();
    }
    await send(["two"], { partitionId: "0" });
    report({ holder_reads: (await holder.event()).body });
    await Promise.all([holding.close(), asking.close()]);
  },

  async sixth() {
    await send(["one"], { partitionId: "0" });
    const readers = [1, 2, 3, 4, 5].map(() => read(consumer()));
    await Promise.all(readers.map((reader) => reader.event()));
    await outcome("refused", read(consumer()).error);
    await send(["two"], { partitionId: "0" });
    const events = await Promise.all(readers.map((reader) => reader.event()));
    report({ five_read: events.map((event) => event.body) });
  },

  async bad_partition() {
    await outcome("sent", () => send(["x"], { partitionId: "9" }));
    await outcome("read", read(consumer(), {}, "9").error);
  },

  // Whatever the connection string is good for.
  async attempt() {
    await withProducer((producer) => outcome("asked", () => producer.getEventHubProperties()));
    await outcome("sent", () => send(["x"]));
  },

  async oversize() {
    await withProducer(async (producer) => {
      const to = { partitionId: "0" };
      const large = [{ body: Buffer.alloc(1_200_000, "x") }];
      await outcome("sent", () => producer.sendBatch(large, to));
      await outcome("then", () => producer.sendBatch([{ body: Buffer.from("small") }], to));
    });
  },

  async throttled() {
    await withProducer(async (producer) => {
      const events = Array.from({ length: 1000 }, () => ({ body: "x" }));
      for (const what of ["first", "second"]) {
        await outcome(what, () => producer.sendBatch(events, { partitionId: "0" }));
      }
    });
  },
};

scenarios[process.argv[2]]().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
