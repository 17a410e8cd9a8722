"""Writes and reads records by librdkafka, each as a line of JSON; bytes are in base64.

    librdkafka_records.py write TOPIC KEY=VALUE...         (records on stdin)
    librdkafka_records.py read TOPIC COUNT KEY=VALUE...    (from the beginning, without a group)
"""

import base64
import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition


def encoded(data):
    return None if data is None else base64.b64encode(data).decode()


def decoded(text):
    return None if text is None else base64.b64decode(text)


def write(topic, *settings):
    def acknowledged(error, _message):
        if error:
            raise KafkaException(error)

    producer = Producer(dict(setting.split("=", 1) for setting in settings))
    for record in map(json.loads, sys.stdin):
        producer.produce(
            topic, partition=record["partition"], timestamp=record["timestamp"],
            key=decoded(record["key"]), value=decoded(record["value"]),
            headers=[(key, decoded(value)) for key, value in record["headers"]],
            on_delivery=acknowledged)
    producer.flush()


def read(topic, count, *settings):
    consumer = Consumer({"group.id": "none", "enable.auto.commit": False,
                         **dict(setting.split("=", 1) for setting in settings)})
    partitions = consumer.list_topics(topic).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)
                     for partition in partitions])
    for _ in range(int(count)):
        message = consumer.poll()
        if message.error():
            raise KafkaException(message.error())
        print(json.dumps({
            "partition": message.partition(), "offset": message.offset(),
            "timestamp": message.timestamp()[1],
            "key": encoded(message.key()), "value": encoded(message.value()),
            "headers": [[key, encoded(value)] for key, value in message.headers() or []]}))
    consumer.close()


{"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
