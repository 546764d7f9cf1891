# One side of an SCTP association over a raw socket, for kernels without SCTP sockets. conntrack
# still tracks the packets. Only traffic.ts runs it.
# sctp-peer.py serve ADDRESS PORT | connect ADDRESS PORT LOCALADDRESS LOCALPORT
# serve answers INIT, COOKIE ECHO and SHUTDOWN. connect sets an association up and says `established`.
# After a line on standard input it shuts the association down and says `closed`.
import socket
import struct
import sys

INIT, INIT_ACK, SHUTDOWN, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = (
    1, 2, 7, 8, 10, 11, 14)
TAGS = {"connect": 0x11111111, "serve": 0x22222222}


def make_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = make_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def packet(source, target, tag, chunk_type, body=b""):
    chunk = struct.pack("!BBH", chunk_type, 0, 4 + len(body)) + body
    chunk += b"\0" * (-len(chunk) % 4)
    header = struct.pack("!HHI", source, target, tag)
    checksum = struct.pack("<I", crc32c(header + b"\0\0\0\0" + chunk))
    return header + checksum + chunk


def init_body(tag):
    return struct.pack("!IIHHI", tag, 65536, 1, 1, 1)


class Peer:
    def __init__(self, address, port, role):
        self.v6 = ":" in address
        family = socket.AF_INET6 if self.v6 else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_SCTP)
        self.socket.bind((address, 0))
        self.port = port
        self.tag = TAGS[role]

    def receive(self):
        while True:
            data, sender = self.socket.recvfrom(65536)
            if not self.v6:
                data = data[(data[0] & 15) * 4:]
            source, target, _, _ = struct.unpack("!HHII", data[:12])
            if target == self.port and len(data) >= 16:
                return sender[0], source, data[12], data[16:]

    def send(self, address, port, tag, chunk_type, body=b""):
        self.socket.sendto(packet(self.port, port, tag, chunk_type, body), (address, 0))


def serve(address, port):
    peer = Peer(address, port, "serve")
    tags = {}
    print("ready", flush=True)
    while True:
        sender, source, kind, body = peer.receive()
        if kind == INIT:
            tags[sender, source] = struct.unpack("!I", body[:4])[0]
            cookie = struct.pack("!HH", 7, 8) + b"bake"
            peer.send(sender, source, tags[sender, source], INIT_ACK,
                      init_body(peer.tag) + cookie)
        elif kind == COOKIE_ECHO:
            peer.send(sender, source, tags[sender, source], COOKIE_ACK)
        elif kind == SHUTDOWN:
            peer.send(sender, source, tags[sender, source], SHUTDOWN_ACK)


def await_chunk(peer, wanted):
    while True:
        _, _, kind, body = peer.receive()
        if kind == wanted:
            return body


def connect(address, port, local_address, local_port):
    peer = Peer(local_address, local_port, "connect")
    peer.socket.settimeout(20)
    peer.send(address, port, 0, INIT, init_body(peer.tag))
    tag = struct.unpack("!I", await_chunk(peer, INIT_ACK)[:4])[0]
    peer.send(address, port, tag, COOKIE_ECHO, b"bake")
    await_chunk(peer, COOKIE_ACK)
    print("established", flush=True)
    if sys.stdin.readline() == "":
        return
    peer.send(address, port, tag, SHUTDOWN, struct.pack("!I", 1))
    await_chunk(peer, SHUTDOWN_ACK)
    peer.send(address, port, tag, SHUTDOWN_COMPLETE)
    print("closed", flush=True)


if sys.argv[1] == "serve":
    serve(sys.argv[2], int(sys.argv[3]))
else:
    connect(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
