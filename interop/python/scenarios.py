"""Microsoft's Python SDK does one thing against the hub of EVENTHUB_CONNECTION_STRING and prints
what it saw as JSON lines. Usage: python scenarios.py NAME"""

import json
import os
import queue
import sys
import threading
import time

from azure.eventhub import (
    EventData,
    EventHubConsumerClient,
    EventHubProducerClient,
    TransportType,
)

CONNECTION_STRING = os.environ["EVENTHUB_CONNECTION_STRING"]
GROUP = "$Default"

# A WebSocket goes to the port of the custom endpoint; the one in the connection string is ignored.
OPTIONS = {}
if "EVENTHUB_WEBSOCKET" in os.environ:
    OPTIONS = {
        "transport_type": TransportType.AmqpOverWebsocket,
        "custom_endpoint_address": os.environ["EVENTHUB_ENDPOINT"],
        "connection_verify": os.environ["SSL_CERT_FILE"],
    }


def report(**value):
    print(json.dumps(value, ensure_ascii=False), flush=True)


def producer(**options):
    return EventHubProducerClient.from_connection_string(CONNECTION_STRING, **OPTIONS, **options)


def send(bodies, **where):
    with producer() as client:
        client.send_batch([EventData(body) for body in bodies], **where)


class Reader:
    """Reads a partition from the start on a thread of its own.

    No retries: with them the SDK keeps some refusals to itself for over 50 seconds."""

    def __init__(self, partition="0", **options):
        self.events = queue.Queue()
        self.errors = queue.Queue()
        self.client = EventHubConsumerClient.from_connection_string(
            CONNECTION_STRING, GROUP, retry_total=0, **OPTIONS
        )
        options["partition_id"] = partition
        self.thread = threading.Thread(target=self._read, kwargs=options, daemon=True)
        self.thread.start()

    def _read(self, **options):
        try:
            self.client.receive(
                on_event=lambda _, event: self.events.put(event),
                on_error=lambda _, error: self.errors.put(error),
                starting_position="-1",
                **options,
            )
        except Exception as error:
            self.errors.put(error)

    def event(self):
        return self.events.get(timeout=30)

    def error(self):
        raise self.errors.get(timeout=50)

    def close(self):
        self.client.close()
        self.thread.join(timeout=10)


def outcome(what, action):
    """Reports how an action ends, and after how many seconds."""
    start = time.monotonic()
    ended = {}
    try:
        action()
    except Exception as error:
        ended = {"type": type(error).__name__, "message": str(error)}
    report(what=what, seconds=time.monotonic() - start, **ended)


def properties():
    def partition(client):
        seen = client.get_partition_properties("0")
        report(
            hub=seen["eventhub_name"],
            partition=seen["id"],
            empty=seen["is_empty"],
            beginning=seen["beginning_sequence_number"],
            last=seen["last_enqueued_sequence_number"],
            offset=seen["last_enqueued_offset"],
        )

    with producer() as client:
        hub = client.get_eventhub_properties()
        created = int(hub["created_at"].timestamp())
        report(hub=hub["eventhub_name"], partitions=hub["partition_ids"], created=created)
        partition(client)
        client.send_batch([EventData("one"), EventData("two")], partition_id="0")
        partition(client)


def batch():
    with producer() as client:
        batch = client.create_batch(partition_id="1")
        for n in range(100):
            event = EventData(f"event {n}")
            event.properties = {"n": n}
            batch.add(event)
        report(count=len(batch), max_size=batch.max_size_in_bytes)
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
        report(intact=b"".join(reader.event().body) == body)
    reader.close()


def receive():
    def text(value):
        return value.decode() if isinstance(value, bytes) else value

    first = EventData("first")
    first.properties = {"text": "a", "number": 7, "flag": True}
    first.message_id, first.correlation_id, first.content_type = "m1", "c1", "text/x"
    with producer() as client:
        client.send_batch([first, EventData("second")], partition_id="0")
        client.send_event(EventData("third"), partition_id="0")
    reader = Reader(track_last_enqueued_event_properties=True)
    for _ in range(3):
        event = reader.event()
        report(
            body=event.body_as_str(),
            properties={text(k): text(v) for k, v in (event.properties or {}).items()},
            message_id=event.message_id,
            correlation_id=event.correlation_id,
            content_type=event.content_type,
            sequence_number=event.sequence_number,
            offset=event.offset,
            enqueued=round(event.enqueued_time.timestamp() * 1000),
        )
    reader.close()


def theft():
    for level in [2, 3]:
        send(["one"], partition_id="0")
        holder = Reader(owner_level=2)
        holder.event()
        thief = Reader(owner_level=level)
        report(thief_reads=thief.event().body_as_str())
        outcome("displaced", holder.error)
        holder.close()
        thief.close()


def refusal():
    send(["one"], partition_id="0")
    holder = Reader(owner_level=2)
    holder.event()
    for options in [{"owner_level": 1}, {}]:
        refused = Reader(**options)
        outcome("refused", refused.error)
        refused.close()
    send(["two"], partition_id="0")
    report(holder_reads=holder.event().body_as_str())
    holder.close()


def sixth():
    send(["one"], partition_id="0")
    readers = [Reader() for _ in range(5)]
    for reader in readers:
        reader.event()
    refused = Reader()
    outcome("refused", refused.error)
    send(["two"], partition_id="0")
    report(five_read=[reader.event().body_as_str() for reader in readers])


def bad_partition():
    outcome("sent", lambda: send(["x"], partition_id="9"))
    outcome("read", Reader("9").error)


def attempt():
    """Whatever the connection string is good for."""
    # The SDK asks for the properties before it sends, with all their attempts for each of its own.
    with producer(retry_total=1) as client:
        outcome("asked", client.get_eventhub_properties)
    with producer(retry_total=1) as client:
        outcome("sent", lambda: client.send_event(EventData("x")))


def oversize():
    with producer() as client:
        outcome("sent", lambda: client.send_event(EventData(b"x" * 1_200_000), partition_id="0"))
        outcome("then", lambda: client.send_event(EventData("small"), partition_id="0"))


def throttled():
    with producer() as client:
        for what in ["first", "second"]:
            events = [EventData("x") for _ in range(1000)]
            outcome(what, lambda: client.send_batch(events, partition_id="0"))


def hold():
    """Holds every partition at epoch 0 until standard input ends."""
    client = EventHubConsumerClient.from_connection_string(CONNECTION_STRING, GROUP)
    options = {"on_event": lambda *_: None, "owner_level": 0}
    for partition in client.get_partition_ids():
        options_here = {**options, "partition_id": partition}
        threading.Thread(target=client.receive, kwargs=options_here, daemon=True).start()
    sys.stdin.read()
    client.close()


globals()[sys.argv[1]]()
# Readers' threads that still retry are not waited for.
sys.stdout.flush()
os._exit(0)
