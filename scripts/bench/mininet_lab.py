"""mininet_lab.py DESCRIPTION.json: makes and stops one network with Mininet's own Python interface and Linux bridges.

Prints JSON: for "create" (build and start) and "destroy" (stop) the seconds, peak memory and processes.
Python's start and Mininet's import are not counted.
"""

import json
import resource
import sys
import time

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import Topo


class Described(Topo):
    """Bridges become switches, namespaces become hosts. The namespace of the bridges is none: Mininet's are here."""

    def build(self, description=None):  # pylint: disable=arguments-differ
        bridges = description["bridges"]
        for name, bridge in bridges.items():
            self.addSwitch(name, stp=bridge["stp"])
        homes = {bridge["namespace"] for bridge in bridges.values()}
        addresses = first_addresses(description["links"])
        for name in description["namespaces"]:
            if name not in homes:
                self.addHost(name, ip=addresses[name])
        for link in description["links"]:
            self.addLink(*(end.get("bridge") or end["namespace"] for end in link))


def first_addresses(links):
    return {
        end["namespace"]: end["addresses"][0] for link in links for end in link if end["addresses"]
    }


def last_pid():
    try:
        with open("/proc/sys/kernel/ns_last_pid", encoding="ascii") as file:
            return int(file.read())
    except OSError:
        return None


def peak():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(usage.ru_maxrss for usage in usages) / 1024


def measure(work):
    """No CPU time: Mininet keeps a shell for each node, and what a shell used becomes known only when it ends."""
    before = last_pid()
    start = time.perf_counter()
    result = work()
    wall = time.perf_counter() - start
    after = last_pid()
    pids = None if before is None or after is None else after - before
    return result, {"wall": wall, "peak": peak(), "pids": pids}


def create(description):
    net = Mininet(topo=Described(description), switch=LinuxBridge, controller=None, build=False)
    net.build()
    net.start()
    return net


def main():
    with open(sys.argv[1], encoding="utf8") as file:
        description = json.load(file)
    setLogLevel("warning")
    # Mininet would raise sysctls of the whole machine here (fixLimits): not in a benchmark.
    Mininet.inited = True
    net, created = measure(lambda: create(description))
    _, destroyed = measure(net.stop)
    json.dump({"create": created, "destroy": destroyed}, sys.stdout)


if __name__ == "__main__":
    main()
