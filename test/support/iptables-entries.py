# Prints the rules of one legacy table as the kernel holds them, in the portable form: one JSON object
# chain -> list of hex. Arguments: ipv4|ipv6 table. Only for tests: an oracle beside the native side.
import ctypes, json, os, socket, struct, sys

family, table = sys.argv[1], sys.argv[2].encode()
v4 = family == "ipv4"
libc = ctypes.CDLL(None, use_errno=True)
sock = socket.socket(socket.AF_INET if v4 else socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
level = socket.IPPROTO_IP if v4 else socket.IPPROTO_IPV6


def ask(option, head, size):
    buffer = ctypes.create_string_buffer(head.ljust(size, b"\0"), size)
    length = ctypes.c_uint32(size)
    if libc.getsockopt(sock.fileno(), level, option, buffer, ctypes.byref(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return buffer.raw[: length.value]


name = table.ljust(32, b"\0")
info = ask(64, name, 84)
hooks = struct.unpack_from("5I", info, 36)
valid, = struct.unpack_from("I", info, 32)
size, = struct.unpack_from("I", info, 80)
blob = ask(65, name + struct.pack("I4x", size), 40 + size)[40:]

target_at, next_at, length = (88, 90, 112) if v4 else (140, 142, 168)
hook_names = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]
builtin = {hooks[i]: hook_names[i] for i in range(5) if valid & (1 << i)}

entries, at = [], 0
while at < len(blob):
    target, size = struct.unpack_from("HH", blob, target_at + at)
    entries.append((at, at + target, blob[at : at + size]))
    at += size


def target_name(entry, offset):
    return entry[offset + 2 : offset + 31].split(b"\0")[0]


# Where each chain begins: a jump's offset is that of a chain's first rule.
starts = dict((offset, chain.encode()) for offset, chain in builtin.items())
heads = set()
for offset, target, entry in entries:
    inner = target - offset
    if target_name(entry, inner) == b"ERROR":
        heads.add(offset)
        starts[offset + len(entry)] = entry[inner + 32 : inner + 62].split(b"\0")[0]

verdicts = {-1: b"DROP", -2: b"ACCEPT", -4: b"QUEUE", -5: b"RETURN"}
chains, chain = {}, None
for offset, target, entry in entries:
    if offset in heads:
        chain = None
        continue
    if offset in starts:
        chain = starts[offset].decode()
        chains[chain] = []
    inner = target - offset
    if target_name(entry, inner) == b"":
        verdict, = struct.unpack_from("i", entry, inner + 32)
        if verdict < 0:
            said = verdicts[verdict]
        else:
            said = b"" if verdict == offset + len(entry) else starts[verdict]
        entry = entry[: inner + 2] + said.ljust(29, b"\0") + b"\0" + bytes(8) + entry[inner + 40 :]
    chains[chain].append(entry.hex())
# The last rule of every chain is its policy or the RETURN of its end.
print(json.dumps({chain: rules[:-1] for chain, rules in chains.items()}))
