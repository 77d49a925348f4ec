#!/usr/bin/env python3
"""Stands in for a load balancer at sockets: runs a command whose connections and datagrams to a network go elsewhere.

    balancer.py 10.96.0.0/12 10.0.0.7:53 COMMAND...

It does so as Cilium does, by eBPF programs of a cgroup. Exit code 77 and a line on standard error where this machine
does not let it; otherwise the command's. Python, because the workspace has no unsafe code, which a system call needs.
"""

import ctypes
import ipaddress
import os
import platform
import select
import struct
import sys

SYSCALL = {"x86_64": 321, "aarch64": 280}
PROG_LOAD, PROG_ATTACH = 5, 8
CGROUP_SOCK_ADDR = 18
CONNECT4, SENDMSG4 = 10, 14
# Offsets in struct bpf_sock_addr.
USER_IP4, USER_PORT = 4, 24


def instruction(code, destination=0, source=0, offset=0, immediate=0):
    return struct.pack("<BBhI", code, source << 4 | destination, offset, immediate & 0xFFFFFFFF)


def program(network, address, port):
    def of_bytes(data):
        return int.from_bytes(data, sys.byteorder)

    return b"".join(
        [
            instruction(0x61, 2, 1, USER_IP4),  # r2 = ctx.user_ip4
            instruction(0x54, 2, immediate=of_bytes(network.netmask.packed)),  # w2 &= mask
            instruction(0x56, 2, offset=4, immediate=of_bytes(network.network_address.packed)),  # if w2 != network: out
            instruction(0xB4, 2, immediate=of_bytes(address.packed)),  # w2 = address
            instruction(0x63, 1, 2, USER_IP4),  # ctx.user_ip4 = r2
            instruction(0xB4, 2, immediate=of_bytes(struct.pack("!H", port))),  # w2 = port
            instruction(0x63, 1, 2, USER_PORT),  # ctx.user_port = r2
            instruction(0xB4, 0, immediate=1),  # out: w0 = 1
            instruction(0x95),  # return
        ]
    )


def bpf(command, attributes):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = libc.syscall(SYSCALL[platform.machine()], command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def load(code, attach_type):
    instructions = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(65536)
    attributes = struct.pack(
        "<IIQQIIQII16sII",
        CGROUP_SOCK_ADDR,
        len(code) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(licence),
        1,
        len(log),
        ctypes.addressof(log),
        0,
        0,
        b"",
        0,
        attach_type,
    )
    try:
        return bpf(PROG_LOAD, attributes)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {log.value.decode()}") from error


def unified():
    with open("/proc/mounts", encoding="ascii") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    raise OSError("no cgroup2 is mounted")


def remove(group):
    # Processes that the command has left end on their own, and the group with the last of them.
    with open(os.path.join(group, "cgroup.events"), encoding="ascii") as events:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        while "populated 0" not in events.read():
            if not poll.poll(10_000):
                break
            events.seek(0)
    os.rmdir(group)


def main():
    network = ipaddress.ip_network(sys.argv[1])
    address, _, port = sys.argv[2].rpartition(":")
    try:
        code = program(network, ipaddress.ip_address(address), int(port))
        group = os.path.join(unified(), f"verdikt-test-{os.getpid()}")
        os.mkdir(group)
    except (OSError, KeyError) as error:
        print(f"no cgroup here: {error}", file=sys.stderr)
        sys.exit(77)
    try:
        directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
        for attach_type in (CONNECT4, SENDMSG4):
            loaded = load(code, attach_type)
            bpf(PROG_ATTACH, struct.pack("<IIII", directory, loaded, attach_type, 0))
    except OSError as error:
        os.rmdir(group)
        print(f"no eBPF here: {error}", file=sys.stderr)
        sys.exit(77)
    child = os.fork()
    if child == 0:
        try:
            with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as procs:
                procs.write("0")
        except OSError as error:
            print(f"no process may enter a cgroup here: {error}", file=sys.stderr)
            os._exit(77)
        os.execvp(sys.argv[3], sys.argv[3:])
    _, status = os.waitpid(child, 0)
    remove(group)
    sys.exit(os.waitstatus_to_exitcode(status))


main()
