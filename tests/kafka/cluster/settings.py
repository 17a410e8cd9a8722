"""The settings of a test cluster's node."""

import os

# name, security protocol, offset in the node's block of ports
LISTENERS = [("PLAINTEXT", "PLAINTEXT", 0), ("SASL", "SASL_PLAINTEXT", 1),
             ("CONTROLLER", "SASL_PLAINTEXT", 2), ("TLS", "SSL", 3), ("MTLS", "SSL", 4),
             ("SASLTLS", "SASL_SSL", 5)]
FOR_CLIENTS = [name for name, _, _ in LISTENERS if name != "CONTROLLER"]
BLOCK = 10

MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
USERS = {"admin": "admin-secret", "alice": "alice-secret", "bob": "bob-secret"}


def port(base, node, listener):
    offset = next(offset for name, _, offset in LISTENERS if name == listener)
    return base + BLOCK * (node - 1) + offset


def bootstrap(base, nodes, listener):
    return ",".join(f"127.0.0.1:{port(base, node, listener)}" for node in range(1, nodes + 1))


def node_settings(node, nodes, base, data, tls):
    def addresses(names):
        return ",".join(f"{name}://127.0.0.1:{port(base, node, name)}" for name in names)

    copies, in_sync = min(3, nodes), min(2, nodes)
    return {
        "process.roles": "broker,controller",
        "node.id": node,
        "log.dirs": data,
        "broker.rack": f"rack-{node}",
        "controller.quorum.voters": ",".join(
            f"{voter}@127.0.0.1:{port(base, voter, 'CONTROLLER')}"
            for voter in range(1, nodes + 1)),
        "controller.listener.names": "CONTROLLER",
        "listeners": addresses(name for name, _, _ in LISTENERS),
        "advertised.listeners": addresses(FOR_CLIENTS),
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocol}" for name, protocol, _ in LISTENERS),
        **access(),
        **encryption(tls),
        # Topics
        "auto.create.topics.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 6,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 6,
        # Records may have any timestamp; those of long ago must not be deleted beneath a test
        "log.retention.ms": -1,
        # Groups: no pause before the first generation, and timeouts as short as tests like
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 500,
        "group.consumer.min.session.timeout.ms": 500,
        "group.consumer.min.heartbeat.interval.ms": 100,
        "group.consumer.session.timeout.ms": 10000,
        "group.consumer.heartbeat.interval.ms": 1000,
        # A dead node is noticed in seconds
        "broker.heartbeat.interval.ms": 500,
        "broker.session.timeout.ms": 4000,
        # Small
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 4194304,
        "log.cleaner.io.buffer.size": 131072,
    }


def access():
    """Brokers are admin to each other, so that only admin need be a super user: ACLs then bind
    everyone else, also ANONYMOUS on the PLAINTEXT listener. Nothing is forbidden until a test
    adds an ACL."""
    modules = "org.apache.kafka.common.security."
    plain = f"{modules}plain.PlainLoginModule required"
    users = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
    as_admin = f'username="admin" password="{USERS["admin"]}"'
    values = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin",
        "allow.everyone.if.no.acl.found": "true",
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "inter.broker.listener.name": "SASL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": f"{plain} {as_admin} {users};",
    }
    for listener in ("sasl", "sasltls"):
        at = f"listener.name.{listener}."
        values[at + "plain.sasl.jaas.config"] = f"{plain} {as_admin} {users};"
        for scram in ("scram-sha-256", "scram-sha-512"):
            values[f"{at}{scram}.sasl.jaas.config"] = \
                f"{modules}scram.ScramLoginModule required;"
        values[at + "oauthbearer.sasl.jaas.config"] = \
            f"{modules}oauthbearer.OAuthBearerLoginModule required" \
            ' unsecuredLoginStringClaim_sub="broker";'
    return values


def scram_users():
    """The same users for SCRAM, as arguments of the tool that formats the storage."""
    for name, password in USERS.items():
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            yield "--add-scram"
            yield f"{mechanism}=[name={name},password={password}]"


def encryption(tls):
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": os.path.join(tls, "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": os.path.join(tls, "trusted.pem"),
        "ssl.enabled.protocols": "TLSv1.2,TLSv1.3",
        "listener.name.mtls.ssl.client.auth": "required",
    }
