"""Sends requests of connection tracking as they are, and prints each answer as a line of JSON.

Each line of the input is a request: {"type", "dump", "family", "version", "attributes"}. An attribute is a pair of its
number and its payload: hexadecimal digits, or a list of attributes. The answer has the error code, and the CTA_ID of
each flow that came.
"""
import json
import socket
import struct
import sys

NETLINK_NETFILTER = 12
REQUEST, ACK, DUMP = 1, 4, 0x300
ERROR, DONE = 2, 3
CTA_ID = 12


def encode(attributes):
    data = b""
    for number, value in attributes:
        nested = isinstance(value, list)
        payload = encode(value) if nested else bytes.fromhex(value)
        data += struct.pack("=HH", len(payload) + 4, number | (0x8000 if nested else 0)) + payload
        data += b"\0" * (-len(payload) % 4)
    return data


def message_id(message):
    at = 20
    while at + 4 <= len(message):
        length, number = struct.unpack_from("=HH", message, at)
        if number & 0x3FFF == CTA_ID:
            return struct.unpack_from(">I", message, at + 4)[0]
        at += (length + 3) & ~3
    return None


def ask(line, asked, sequence):
    flags = REQUEST | (DUMP if asked["dump"] else ACK)
    body = struct.pack("=BBH", asked["family"], asked["version"], 0) + encode(asked["attributes"])
    line.sendto(struct.pack("=IHHII", 16 + len(body), asked["type"], flags, sequence, 0) + body, (0, 0))
    ids = []
    while True:
        data = line.recvmsg(1 << 16)[0]
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind in (ERROR, DONE):
                return {"code": -struct.unpack_from("=i", data, 16)[0], "ids": ids}
            ids.append(message_id(data[:length]))
            data = data[(length + 3) & ~3:]


with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
    netlink.bind((0, 0))
    for number, text in enumerate(sys.stdin):
        print(json.dumps(ask(netlink, json.loads(text), number + 1)), flush=True)
