"""The settings of a test cluster's node."""

# name, security protocol, offset in the node's block of ports
LISTENERS = [("PLAINTEXT", "PLAINTEXT", 0), ("SASL", "SASL_PLAINTEXT", 1),
             ("CONTROLLER", "SASL_PLAINTEXT", 2)]
BLOCK = 10

USERS = {"admin": "admin-secret", "alice": "alice-secret", "bob": "bob-secret"}


def port(base, node, listener):
    offset = next(offset for name, _, offset in LISTENERS if name == listener)
    return base + BLOCK * (node - 1) + offset


def bootstrap(base, nodes, listener):
    return ",".join(f"127.0.0.1:{port(base, node, listener)}" for node in range(1, nodes + 1))


def node_settings(node, nodes, base, data):
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
        "advertised.listeners": addresses(["PLAINTEXT", "SASL"]),
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocol}" for name, protocol, _ in LISTENERS),
        **access(),
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
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    users = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
    as_admin = f'username="admin" password="{USERS["admin"]}"'
    return {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin",
        "allow.everyone.if.no.acl.found": "true",
        "sasl.enabled.mechanisms": "PLAIN",
        "inter.broker.listener.name": "SASL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": f"{plain} {as_admin} {users};",
        "listener.name.controller.plain.sasl.jaas.config": f"{plain} {as_admin} {users};",
    }
