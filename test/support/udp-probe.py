"""Sends one UDP datagram for each line of standard input: SOURCE SPORT DESTINATION DPORT."""
import socket
import sys

for line in sys.stdin:
    source, sport, destination, dport = line.split()
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((source, int(sport)))
        probe.sendto(b"x", (destination, int(dport)))
