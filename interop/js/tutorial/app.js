const express = require('express');
const { EventHubProducerClient } = require('@azure/event-hubs');

const app = express();
const port = 3000;

const connectionString = '<< CONNECTION STRING >>';
const eventHubName = '<< EVENT HUB NAME >>';

const producer = new EventHubProducerClient(connectionString, eventHubName);

app.get('/send', async (req, res) => {
  const batch = await producer.createBatch();
  batch.tryAdd({ body: 'First event' });
  batch.tryAdd({ body: 'Second event' });

  await producer.sendBatch(batch);
  res.send('Events sent to Event Hub');
});

app.listen(port, () => {
  console.log(`Server running at http://localhost:${port}/`);
});
