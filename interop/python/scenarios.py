"""Microsoft's SDK does one thing against the hub of EVENTHUB_CONNECTION_STRING and prints what it
saw as JSON lines. Usage: python scenarios.py NAME"""

import json
import os
import queue
import re
import sys
import threading

from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient

CONNECTION_STRING = os.environ["EVENTHUB_CONNECTION_STRING"]
GROUP = "$Default"


def report(value):
    print(json.dumps(value, default=str, ensure_ascii=False), flush=True)


def producer(connection_string=CONNECTION_STRING, **options):
    return EventHubProducerClient.from_connection_string(connection_string, **options)


def send(bodies, **where):
    with producer() as client:
        client.send_batch([EventData(body) for body in bodies], **where)


class Reader:
    """Reads partition 0 from the start on a thread of its own."""

    def __init__(self, **options):
        self.events = queue.Queue()
        self.errors = queue.Queue()
        self.client = EventHubConsumerClient.from_connection_string(
            CONNECTION_STRING, GROUP, retry_total=0
        )
        self.thread = threading.Thread(target=self._read, kwargs=options, daemon=True)
        self.thread.start()

    def _read(self, **options):
        try:
            self.client.receive(
                on_event=lambda _, event: self.events.put(event),
                on_error=lambda _, error: self.errors.put(error),
                partition_id="0",
                starting_position="-1",
                **options,
            )
        except Exception as error:
            self.errors.put(error)

    def event(self):
        return self.events.get(timeout=30)

    def error(self):
        error = self.errors.get(timeout=30)
        return {"name": type(error).__name__, "message": str(error)}

    def close(self):
        self.client.close()
        self.thread.join(timeout=10)


def properties():
    with producer() as client:
        report(client.get_eventhub_properties())
        report(client.get_partition_properties("0"))
        client.send_batch([EventData("one"), EventData("two")], partition_id="0")
        report(client.get_partition_properties("0"))


def batch():
    with producer() as client:
        batch = client.create_batch(partition_id="1")
        for n in range(100):
            event = EventData(f"event {n}")
            event.properties = {"n": n}
            batch.add(event)
        report({"count": len(batch), "maxSizeInBytes": batch.max_size_in_bytes})
        client.send_batch(batch)


def single():
    with producer() as client:
        client.send_event(EventData("alone"))


def keyed():
    with producer() as client:
        for key in ["device1", "device3", "device4", "日本語", "device1"]:
            batch = client.create_batch(partition_key=key)
            batch.add(EventData(key))
            client.send_batch(batch)


def large():
    """Batches of many frames, each way."""
    body = b"x" * 200_000
    send([body] * 4, partition_id="0")
    reader = Reader()
    for _ in range(4):
        report({"intact": b"".join(reader.event().body) == body})
    reader.close()


def receive():
    first = EventData("first")
    first.properties = {"text": "a", "number": 7, "flag": True}
    first.message_id, first.correlation_id, first.content_type = "m1", "c1", "text/x"
    with producer() as client:
        client.send_batch([first, EventData("second")], partition_id="0")
        client.send_event(EventData("third"), partition_id="0")
    reader = Reader(track_last_enqueued_event_properties=True)
    for _ in range(3):
        event = reader.event()
        properties = {
            key.decode() if isinstance(key, bytes) else key: (
                value.decode() if isinstance(value, bytes) else value
            )
            for key, value in (event.properties or {}).items()
        }
        report(
            {
                "body": event.body_as_str(),
                "properties": properties,
                "messageId": event.message_id,
                "correlationId": event.correlation_id,
                "contentType": event.content_type,
                "sequenceNumber": event.sequence_number,
                "offset": event.offset,
                "enqueuedTime": event.enqueued_time.timestamp() * 1000,
            }
        )
    reader.close()


def theft():
    for level in [0, 1]:
        send(["one"], partition_id="0")
        holder = Reader(owner_level=0)
        holder.event()
        thief = Reader(owner_level=level)
        report({"displaced": holder.error()})
        report({"thiefReads": thief.event().body_as_str()})
        holder.close()
        thief.close()


def refusal():
    send(["one"], partition_id="0")
    holder = Reader(owner_level=1)
    holder.event()
    for options in [{"owner_level": 0}, {}]:
        refused = Reader(**options)
        report({"refused": refused.error()})
        refused.close()
    send(["two"], partition_id="0")
    report({"holderStillReads": holder.event().body_as_str()})
    holder.close()


def hold():
    """Holds every partition at epoch 0 until standard input ends."""
    client = EventHubConsumerClient.from_connection_string(CONNECTION_STRING, GROUP)
    options = {"on_event": lambda *_: None, "owner_level": 0}
    for partition in client.get_partition_ids():
        options_here = {**options, "partition_id": partition}
        threading.Thread(target=client.receive, kwargs=options_here, daemon=True).start()
    sys.stdin.read()
    client.close()


def refused(action):
    try:
        action()
    except Exception as error:
        report({"refused": {"name": type(error).__name__, "message": str(error)}})


def wrong_key():
    forged = re.sub("SharedAccessKey=[^;]*", "SharedAccessKey=wrong", CONNECTION_STRING)
    with producer(forged, retry_total=0) as client:
        refused(client.get_eventhub_properties)


def unknown_hub():
    elsewhere = re.sub("EntityPath=[^;]*", "EntityPath=nope", CONNECTION_STRING)
    with producer(elsewhere, retry_total=0) as client:
        refused(lambda: client.send_event(EventData("x")))


globals()[sys.argv[1]]()
