"""Prints what happens to packets in this network namespace, as one JSON object: tracked, translated.

Tracked: a datagram of each family through the loopback makes an entry. Translated: conntrack(8) writes a flow
with a translated port, and packets of that flow arrive at the other port. For that the probe turns tracking
on, whatever rules the namespace has.
"""
import json
import socket
import subprocess

FAMILIES = {"ipv4": "127.0.0.1", "ipv6": "::1"}
COUNTERS = """table inet probe {
  counter ipv4 { }
  counter ipv6 { }
  chain on {
    ct state invalid
  }
  chain arrived {
    type filter hook input priority 300;
    meta nfproto ipv4 udp dport 7777 counter name ipv4
    meta nfproto ipv6 udp dport 7777 counter name ipv6
  }
}
"""


def send(source_port, port):
    for address in FAMILIES.values():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, source_port))
            probe.sendto(b"x", (address, port))


def tracked():
    send(4000, 9)
    with open("/proc/thread-self/net/nf_conntrack", encoding="ascii") as entries:
        found = [line.split()[0] for line in entries if " dport=9 " in line]
    return {family: family in found for family in FAMILIES}


def translated():
    subprocess.run(["nft", "-f", "-"], input=COUNTERS, text=True, check=True)
    for address in FAMILIES.values():
        to = f"[{address}]:7777" if ":" in address else f"{address}:7777"
        flow = f"-p udp -s {address} -d {address} --sport 5000 --dport 7000 -t 60 --dst-nat"
        subprocess.run(["conntrack", "-I", *flow.split(), to], check=True, capture_output=True)
    send(5000, 7000)
    listed = subprocess.run(
        ["nft", "-j", "list", "counters"], check=True, capture_output=True, text=True
    )
    counters = [each["counter"] for each in json.loads(listed.stdout)["nftables"] if "counter" in each]
    packets = {each["name"]: each["packets"] for each in counters if each["table"] == "probe"}
    return {family: packets[family] > 0 for family in FAMILIES}


print(json.dumps({"tracked": tracked(), "translated": translated()}))
