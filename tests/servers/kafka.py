"""A Kafka for tests: the cluster that librdkafka tests itself with, which speaks the real protocol, and a consumer.

  kafka.py cluster BROKERS          a cluster; lines of standard input are commands, each answered by a line
  kafka.py cluster BROKERS TOPIC PARTITIONS   one with a topic, that takes no commands and goes on until it is ended
  kafka.py front LISTEN TARGET …    TLS and SASL before a broker, which has neither
  kafka.py counts PORT …            doors to brokers that keep count of a producer's sequences; a line asks for the count
  kafka.py consume BROKERS TOPIC    every message as a line of JSON, from the first one on

Else it ends when standard input does.
"""

import base64, ctypes, hashlib, hmac, json, os, pathlib, signal, socket, ssl, struct, sys, threading

import confluent_kafka

PRODUCE, METADATA, VERSIONS, HANDSHAKE, AUTHENTICATE = 0, 3, 18, 17, 36


def library():
    """librdkafka, as the wheel brings it along."""
    beside = pathlib.Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    lib = ctypes.CDLL(str(next(beside.glob("librdkafka*.so*"))))
    lib.rd_kafka_conf_new.restype = ctypes.c_void_p
    lib.rd_kafka_new.restype = lib.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return lib


def cluster(brokers, topic="", partitions=""):
    lib, why = library(), ctypes.create_string_buffer(512)
    conf = ctypes.c_void_p(lib.rd_kafka_conf_new())
    lib.rd_kafka_conf_set(conf, b"log_level", b"0", why, 512)
    handle = ctypes.c_void_p(lib.rd_kafka_new(0, conf, why, 512))
    mock = ctypes.c_void_p(lib.rd_kafka_mock_cluster_new(handle, int(brokers)))
    call = lambda name, *arguments: getattr(lib, "rd_kafka_mock_" + name)(mock, *arguments)

    def fails(key, *codes):
        return call("push_request_errors_array", int(key), ctypes.c_size_t(len(codes)), (ctypes.c_int * len(codes))(*map(int, codes)))

    commands = {
        "topic": lambda name, partitions, replicas: call("topic_create", name.encode(), int(partitions), int(replicas)),
        "topic_fails": lambda name, code: call("topic_set_error", name.encode(), int(code)),
        "leads": lambda name, partition, broker: call("partition_set_leader", name.encode(), int(partition), int(broker)),
        "down": lambda broker: call("broker_set_down", int(broker)),
        "up": lambda broker: call("broker_set_up", int(broker)),
        "listens": lambda broker, port: call("broker_set_host_port", int(broker), b"127.0.0.1", int(port)),
        "fails": fails,
        "fails_no_more": lambda key: call("clear_request_errors", int(key)) and 0,
        "versions": lambda key, least, most: call("set_apiversion", int(key), int(least), int(most)),
    }
    call("group_initial_rebalance_delay_ms", 100)
    if topic:
        commands["topic"](topic, partitions, brokers)
    print(lib.rd_kafka_mock_cluster_bootstraps(mock).decode(), flush=True)
    if topic:
        signal.pause()
    for line in sys.stdin:
        name, *arguments = line.split()
        code = commands[name](*arguments)
        print("done" if not code else f"code {code}", flush=True)
    os._exit(0)


def consume(brokers, topic, *settings):
    conf = {
        "bootstrap.servers": brokers, "group.id": "tests", "enable.auto.commit": False, "check.crcs": True,
        "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20,
        "retry.backoff.max.ms": 100, "fetch.wait.max.ms": 20, "fetch.error.backoff.ms": 20,
        "socket.timeout.ms": 2000, "topic.metadata.refresh.interval.ms": 500, "log_level": 0,
    }
    conf.update(setting.split("=", 1) for setting in settings)
    consumer = confluent_kafka.Consumer(conf, logger=None)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    partitions = []
    while not partitions:
        try:
            found = consumer.list_topics(topic, timeout=1).topics[topic]
            partitions = [] if found.error else sorted(found.partitions)
        except confluent_kafka.KafkaException:
            pass
    consumer.assign([confluent_kafka.TopicPartition(topic, partition, confluent_kafka.OFFSET_BEGINNING) for partition in partitions])
    print(json.dumps({"partitions": len(partitions)}), flush=True)
    while True:
        message = consumer.poll(1)
        if message is None or message.error():
            continue
        print(json.dumps({
            "key": message.key().decode(), "partition": message.partition(), "offset": message.offset(),
            "timestamp": message.timestamp()[1],
            "headers": [[name, value.decode()] for name, value in message.headers() or []],
            "value": message.value().decode(),
        }), flush=True)


class Front:
    """What stands before a broker: TLS if there is a certificate, and a sign-in by one mechanism."""

    def __init__(self, listen, target, mechanism, user, password, certificate="", key=""):
        self.target, self.mechanism, self.user, self.password = int(target), mechanism, user, password
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate, key)
        door = socket.create_server(("127.0.0.1", int(listen)))
        print("listens", flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        while True:
            line, _ = door.accept()
            threading.Thread(target=self.serve, args=(line,), daemon=True).start()

    def serve(self, line):
        try:
            if self.tls:
                line = self.tls.wrap_socket(line, server_side=True)
            with line, socket.create_connection(("127.0.0.1", self.target)) as broker:
                self.steps = None
                self.talk(line, broker, self.sign_in())
        except (OSError, ssl.SSLError, EOFError):
            pass

    def talk(self, line, broker, steps):
        knows = self.mechanism == "none"
        while True:
            asked = frame(line)
            key, version, number = struct.unpack(">hhi", asked[:8])
            if key == HANDSHAKE:
                offered = text(asked[10 + struct.unpack(">h", asked[8:10])[0]:])
                code = 0 if offered == self.mechanism else 33
                name = self.mechanism.encode()
                send(line, struct.pack(">ihih", number, code, 1, len(name)) + name)
            elif key == AUTHENTICATE:
                told = asked[10 + struct.unpack(">h", asked[8:10])[0] + 4:]
                answer, knows = steps(told)
                if answer is None:
                    why = b"Authentication failed"
                    send(line, struct.pack(">ihh", number, 58, len(why)) + why + struct.pack(">i", 0))
                    return
                send(line, struct.pack(">ihhi", number, 0, -1, len(answer)) + answer)
            elif key == VERSIONS or knows:
                send(broker, asked)
                said = frame(broker)
                send(line, with_sasl(said, version) if key == VERSIONS else said)
            else:
                return

    def sign_in(self):
        """What is answered to each step of a sign-in, and whether it is through."""
        state = {}

        def plain(told):
            _, user, password = told.decode().split("\0")
            return (b"", True) if (user, password) == (self.user, self.password) else (None, False)

        def scram(told):
            digest = self.mechanism.removeprefix("SCRAM-").replace("-", "").lower()
            sign = lambda key, what: hmac.new(key, what, digest).digest()
            if not state:
                state["bare"] = told.decode().removeprefix("n,,")
                state["nonce"] = state["bare"].split(",r=")[1] + "served"
                state["salt"] = os.urandom(16)
                state["challenge"] = f"r={state['nonce']},s={base64.b64encode(state['salt']).decode()},i=4096"
                return state["challenge"].encode(), False
            without, _, proof = told.decode().rpartition(",p=")
            salted = hashlib.pbkdf2_hmac(digest, self.password.encode(), state["salt"], 4096)
            key, all_of_it = sign(salted, b"Client Key"), f"{state['bare']},{state['challenge']},{without}".encode()
            signed = sign(hashlib.new(digest, key).digest(), all_of_it)
            right = bytes(a ^ b for a, b in zip(key, signed)) == base64.b64decode(proof)
            named = state["bare"].startswith(f"n={self.user},") and without == f"c=biws,r={state['nonce']}"
            if not (right and named):
                return None, False
            return b"v=" + base64.b64encode(sign(sign(salted, b"Server Key"), all_of_it)), True

        return plain if self.mechanism == "PLAIN" else scram


class Counts:
    """Doors to brokers, with the rule about sequences that the cluster of librdkafka does not keep.

    A lot that is taken must follow the last one of its producer that this partition has taken, or be that one.
    """

    def __init__(self, *targets):
        self.lock, self.logs, self.taken, self.wrong = threading.Lock(), {}, 0, 0
        doors = [socket.create_server(("127.0.0.1", 0)) for _ in targets]
        print(",".join(str(door.getsockname()[1]) for door in doors), flush=True)
        for door, target in zip(doors, targets):
            threading.Thread(target=self.opens, args=(door, int(target)), daemon=True).start()
        for _ in sys.stdin:
            print(self.taken, self.wrong, flush=True)
        os._exit(0)

    def opens(self, door, target):
        while True:
            line, _ = door.accept()
            threading.Thread(target=self.carries, args=(line, target), daemon=True).start()

    def carries(self, line, target):
        try:
            with line, socket.create_connection(("127.0.0.1", target)) as broker:
                while True:
                    asked = frame(line)
                    send(broker, asked)
                    said = frame(broker)
                    if struct.unpack(">h", asked[:2])[0] == PRODUCE:
                        self.counts(dict(given(asked)), said)
                    send(line, said)
        except (OSError, EOFError):
            pass

    def counts(self, lots, said):
        with self.lock:
            for partition, code in answered(said):
                producer, epoch, sequence, count = lots[partition]
                if code or producer < 0:
                    continue
                self.taken += 1
                log = (producer, epoch, partition)
                follows, last = self.logs.get(log, (0, None))
                if sequence == follows:
                    self.logs[log] = ((sequence + count) % 2**31, (sequence, count))
                elif (sequence, count) != last:
                    self.wrong += 1


def given(asked):
    """Of each partition in a question to take messages (version 3): the producer, its epoch, the first sequence, how many."""
    data = Reader(asked)
    assert data.takes(">hh") == (PRODUCE, 3)
    data.takes(">i"), data.text(), data.text(), data.takes(">hi")
    for _ in range(data.takes(">i")[0]):
        data.text()
        for _ in range(data.takes(">i")[0]):
            partition, length = data.takes(">ii")
            yield partition, struct.unpack(">qhii", data.bytes(length)[43:61])


def answered(said):
    """Of each partition in the answer to that: the code."""
    data = Reader(said)
    data.takes(">i")
    for _ in range(data.takes(">i")[0]):
        data.text()
        for _ in range(data.takes(">i")[0]):
            partition, code, _, _ = data.takes(">ihqq")
            yield partition, code


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def takes(self, form):
        return struct.unpack(form, self.bytes(struct.calcsize(form)))

    def text(self):
        return self.bytes(max(self.takes(">h")[0], 0))


def with_sasl(said, version):
    """An answer about versions that names the two questions of a sign-in as well."""
    extra = [(HANDSHAKE, 0, 1), (AUTHENTICATE, 0, 0)]
    if version < 3:
        count = struct.unpack(">i", said[6:10])[0] + len(extra)
        return said[:6] + struct.pack(">i", count) + b"".join(struct.pack(">hhh", *one) for one in extra) + said[10:]
    assert said[6] + len(extra) < 128, "the count is one byte"
    more = b"".join(struct.pack(">hhhb", *one, 0) for one in extra)
    return said[:6] + bytes([said[6] + len(extra)]) + more + said[7:]


def text(data):
    return data[2:2 + struct.unpack(">h", data[:2])[0]].decode()


def exactly(line, count):
    data = b""
    while len(data) < count:
        more = line.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def frame(line):
    return exactly(line, struct.unpack(">i", exactly(line, 4))[0])


def send(line, data):
    line.sendall(struct.pack(">i", len(data)) + data)


{"cluster": cluster, "front": Front, "counts": Counts, "consume": consume}[sys.argv[1]](*sys.argv[2:])
