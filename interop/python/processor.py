"""Microsoft's Python processor shares the hub of EVENTHUB_CONNECTION_STRING with others by the
checkpoints in a container of STORAGE_CONNECTION_STRING. It handles events until its standard input
ends, writes a checkpoint after each, and prints what it did as JSON lines."""

import json
import os
import sys
import threading

from azure.eventhub import EventHubConsumerClient
from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

lock = threading.Lock()


def report(**value):
    with lock:
        print(json.dumps(value, ensure_ascii=False), flush=True)


def on_event(context, event):
    context.update_checkpoint(event)
    report(event=event.body_as_str(), partition=context.partition_id)


def on_partition_close(context, reason):
    report(closed=context.partition_id, reason=str(reason))


def on_error(context, error):
    report(error=str(error), partition=context and context.partition_id)


store = BlobCheckpointStore.from_connection_string(
    os.environ["STORAGE_CONNECTION_STRING"], os.environ["STORAGE_CONTAINER"]
)
client = EventHubConsumerClient.from_connection_string(
    os.environ["EVENTHUB_CONNECTION_STRING"],
    "$Default",
    checkpoint_store=store,
    load_balancing_interval=1,
    partition_ownership_expiration_interval=int(os.environ["OWNERSHIP_SECONDS"]),
)
receiving = threading.Thread(
    target=client.receive,
    kwargs={
        "on_event": on_event,
        "on_partition_initialize": lambda context: report(opened=context.partition_id),
        "on_partition_close": on_partition_close,
        "on_error": on_error,
        "starting_position": "-1",
    },
    daemon=True,
)
receiving.start()
sys.stdin.read()
client.close()
receiving.join(timeout=30)
report(ended=True)
sys.stdout.flush()
os._exit(0)
