// Microsoft's JavaScript processor shares the hub of EVENTHUB_CONNECTION_STRING with others by the
// checkpoints in a container of STORAGE_CONNECTION_STRING. It handles events until its standard
// input ends, writes a checkpoint after each, and prints what it did as JSON lines.

const { EventHubConsumerClient, earliestEventPosition } = require("@azure/event-hubs");
const { BlobCheckpointStore } = require("@azure/eventhubs-checkpointstore-blob");
const { ContainerClient } = require("@azure/storage-blob");

const report = (value) => console.log(JSON.stringify(value));
const { EVENTHUB_CONNECTION_STRING, STORAGE_CONNECTION_STRING, STORAGE_CONTAINER } = process.env;

const container = new ContainerClient(STORAGE_CONNECTION_STRING, STORAGE_CONTAINER);
const client = new EventHubConsumerClient(
  "$Default",
  EVENTHUB_CONNECTION_STRING,
  new BlobCheckpointStore(container),
  {
    loadBalancingOptions: {
      strategy: "greedy",
      updateIntervalInMs: 1000,
      partitionOwnershipExpirationIntervalInMs: 1000 * process.env.OWNERSHIP_SECONDS,
    },
  },
);
const subscription = client.subscribe(
  {
    processInitialize: async (context) => report({ opened: context.partitionId }),
    processEvents: async (events, context) => {
      for (const event of events) {
        await context.updateCheckpoint(event);
        report({ event: event.body.toString(), partition: context.partitionId });
      }
    },
    processClose: async (reason, context) => report({ closed: context.partitionId, reason }),
    processError: async (error, context) =>
      report({ error: error.message, partition: context.partitionId }),
  },
  { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1 },
);
process.stdin.on("end", async () => {
  await subscription.close();
  await client.close();
  report({ ended: true });
  process.exit(0);
});
process.stdin.resume();
