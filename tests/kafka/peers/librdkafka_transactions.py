"""Transactional producers by librdkafka that do what they are told: a list in JSON a line of
standard input, each answered with a line once it is done.

    librdkafka_transactions.py KEY=VALUE...     (settings of librdkafka)

    ["write", ID, TOPIC, PARTITION, [VALUE...]]          begins a transaction where there is none
    ["offset", ID, GROUP, TOPIC, PARTITION, OFFSET]      the same
    ["commit", ID]
    ["abort", ID]
"""

import json
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition


def acknowledged(error, _message):
    if error:
        raise KafkaException(error)


def main(*settings):
    settings = dict(setting.split("=", 1) for setting in settings)
    producers = {}
    begun = set()

    def within(name):
        if name not in producers:
            producers[name] = Producer({"transactional.id": name, **settings})
            producers[name].init_transactions()
        if name not in begun:
            producers[name].begin_transaction()
            begun.add(name)
        return producers[name]

    for what, name, *rest in map(json.loads, sys.stdin):
        producer = within(name)
        if what == "write":
            topic, partition, values = rest
            for value in values:
                producer.produce(topic, value, partition=partition, on_delivery=acknowledged)
            producer.flush()
        elif what == "offset":
            group, *offset = rest
            reader = Consumer({"group.id": group, **settings})
            metadata = reader.consumer_group_metadata()
            producer.send_offsets_to_transaction([TopicPartition(*offset)], metadata)
            reader.close()
        else:
            begun.remove(name)
            {"commit": producer.commit_transaction, "abort": producer.abort_transaction}[what]()
        print("done", flush=True)


main(*sys.argv[1:])
