"""A librdkafka consumer that tells what it does in the JSON of Kafka's verifiable consumer.

    librdkafka_consumer.py TOPIC KEY=VALUE...     (settings of librdkafka)

It commits after each batch, and a batch is told before its commit. SIGTERM or SIGINT ends it
in order.
"""

import json
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaException


def tell(name, **facts):
    print(json.dumps({"timestamp": int(time.time() * 1000), "name": name, **facts}), flush=True)


def named(partitions):
    return [{"topic": part.topic, "partition": part.partition} for part in partitions]


def spans(messages):
    """The offsets of a batch by partition, as the verifiable consumer reports them."""
    consumed = {}
    for message in messages:
        consumed.setdefault((message.topic(), message.partition()), []).append(message.offset())
    return [{"topic": topic, "partition": partition, "count": len(offsets),
             "minOffset": min(offsets), "maxOffset": max(offsets)}
            for (topic, partition), offsets in consumed.items()]


def commit(consumer, batch):
    """Commits the batch; one that fails is told with its offsets, as Java's is: it may have been
    made."""
    try:
        offsets = [dict(topic=part.topic, partition=part.partition, offset=part.offset)
                   for part in consumer.commit(asynchronous=False)
                   if part.offset >= 0]  # others have nothing new
        tell("offsets_committed", success=True, offsets=offsets)
    except KafkaException as error:
        offsets = [dict(topic=span["topic"], partition=span["partition"],
                        offset=span["maxOffset"] + 1)
                   for span in batch]
        tell("offsets_committed", success=False, error=str(error), offsets=offsets)


def main(topic, *settings):
    consumer = Consumer({"enable.auto.commit": False, "auto.offset.reset": "earliest",
                         **dict(setting.split("=", 1) for setting in settings)})
    ending = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: ending.append(number))
    consumer.subscribe(
        [topic],
        on_assign=lambda _, parts: tell("partitions_assigned", partitions=named(parts)),
        on_revoke=lambda _, parts: tell("partitions_revoked", partitions=named(parts)),
        on_lost=lambda _, parts: tell("partitions_revoked", partitions=named(parts)))
    tell("startup_complete")
    while not ending:
        polled = consumer.consume(1000, timeout=0.1)
        messages = [message for message in polled if not message.error()]
        if messages:
            batch = spans(messages)
            tell("records_consumed", count=len(messages), partitions=batch)
            commit(consumer, batch)
    consumer.close()
    tell("shutdown_complete")


main(*sys.argv[1:])
