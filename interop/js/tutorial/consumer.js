const express = require('express');
const { EventHubConsumerClient } = require('@azure/event-hubs');

const app = express();
const port = 3001;

const connectionString = '<< CONNECTION STRING >>';
const eventHubName = '<< EVENT HUB NAME >>';
const consumerGroup = '$Default';

const consumer = new EventHubConsumerClient(consumerGroup, connectionString, eventHubName);

app.get('/receive', async (req, res) => {
  const subscription = consumer.subscribe({
    processEvents: async (events, context) => {
      for (const event of events) {
        console.log(`Received event: ${event.body}`);
      }
    },
    processError: async (err, context) => {
      console.error(`Error: ${err}`);
    }
  });

  res.send('Receiving events from Event Hub');
});

app.listen(port, () => {
  console.log(`Server running at http://localhost:${port}/`);
});
