"""Sends packets as they are given, from this network namespace, headers included.

Standard input has one JSON object in each line:
  source, destination  addresses; both of the same family
  protocol             of the packet, in its header
  payload              what follows the header, in hex
  fragment             offset of the fragment, in units of 8 bytes (IPv4)
  mark                 of the packet
"""
import json
import socket
import struct
import sys

SO_MARK = 36


def header(packet, payload):
    source, destination = (
        socket.inet_pton(packet_family(packet), packet[name]) for name in ("source", "destination")
    )
    if packet_family(packet) == socket.AF_INET6:
        start = struct.pack("!IHBB", 6 << 28, len(payload), packet["protocol"], 64)
        return start + source + destination
    fragment = packet.get("fragment", 0)
    # The kernel writes the identification and the checksum.
    start = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, packet["protocol"], 0)
    return start + source + destination


def packet_family(packet):
    return socket.AF_INET6 if ":" in packet["source"] else socket.AF_INET


for line in sys.stdin:
    one = json.loads(line)
    body = bytes.fromhex(one["payload"])
    family = packet_family(one)
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, SO_MARK, one.get("mark", 0))
        to = (one["destination"], 0, 0, 0) if family == socket.AF_INET6 else (one["destination"], 0)
        try:
            raw.sendto(header(one, body) + body, to)
        except PermissionError:
            pass  # a rule dropped it
