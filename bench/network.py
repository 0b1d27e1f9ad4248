"""A process apart: in a network of its own, in which the kernel receives for the clients on the clients' cores.

On a loopback whoever sends also receives: in the sender's system call, and on its clock, the kernel takes each segment
all the way up into the client's socket, and the client's acknowledgement back. That is half of what a delivery costs,
and over a real network most of it is done by the clients' machines. (A kernel with CONFIG_IRQ_TIME_ACCOUNTING has it on
nobody's clock.) Linux can have other cores receive. That is set here for the loopback of a network namespace, of which
nothing is left when the process ends. One setting of the whole machine is another meanwhile, and put back: how many
segments may wait for a core. By default 1,000 may; of 10,000 sent in a row some would be lost and sent again.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.cores import Halves, here, keep_to_measured
from bench.load import guarded

QUEUE = Path("/proc/sys/net/core/netdev_max_backlog")
RECEIVERS = Path("/sys/class/net/lo/queues/rx-0/rps_cpus")
# Of <sched.h>, <sys/mount.h> and <linux/sockios.h>, <net/if.h>.
_NEW_MOUNTS, _NEW_NETWORK, _OWN_MOUNTS = 0x20000, 0x40000000, 0x44000
_SET_FLAGS, _UP = 0x8914, 0x1


@contextmanager
def apart() -> Iterator[Callable[..., Any] | None]:
    """Gives what runs ``work(*args)`` in such a process; None where there can be none, and says why.

    That process and what it starts keep to the measured cores; the load that it starts has the others.
    """
    with ExitStack() as opened:
        elsewhere = None
        try:
            opened.enter_context(long_queues())
            process = opened.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
            process.submit(enter, here(enough=2)).result()
            elsewhere = partial(_done, process)
        except OSError as missing:
            print(f"no network apart ({missing}): what the kernel does for clients is the server's", file=sys.stderr)
        yield elsewhere


def _done(process: ProcessPoolExecutor, work: Callable[..., Any], *args: Any) -> Any:
    return process.submit(guarded, work, *args).result()


@contextmanager
def long_queues() -> Iterator[None]:
    """Has more segments wait for a core than are ever sent in a row. Raises ``OSError`` where it may not."""
    before = QUEUE.read_text()
    QUEUE.write_text("100000")
    try:
        yield
    finally:
        QUEUE.write_text(before)


def enter(cores: Halves | None) -> None:
    """Makes this process one, by whose cores are whose. Raises ``OSError`` where it may not, or none are parted."""
    if cores is None:
        raise OSError("it takes two cores")
    keep_to_measured(cores)
    _call("unshare", _NEW_NETWORK | _NEW_MOUNTS)
    _call("mount", None, b"/", None, _OWN_MOUNTS, None)
    _call("mount", b"sysfs", b"/sys", b"sysfs", 0, None)  # which shows the network of whoever mounts it
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_one:
        fcntl.ioctl(any_one, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
    RECEIVERS.write_text(mask(cores[1]))


def mask(cores: Collection[int]) -> str:
    """Cores as the kernel reads them: bits in hexadecimal, a comma between each 32 of them."""
    bits = sum(1 << core for core in cores)
    words = [f"{bits >> place & 0xFFFFFFFF:08x}" for place in range(0, bits.bit_length(), 32)]
    return ",".join(reversed(words))


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
