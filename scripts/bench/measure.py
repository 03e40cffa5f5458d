"""measure.py COMMAND...: runs a command, prints JSON: seconds, CPU seconds, peak memory, processes, exit code, stderr.

A process of its own, small: the kernel counts the memory of the process that starts a program as the peak of that
program, so a node process must not start what is measured. The clock runs here, so this process's start costs nothing.
"""

import json
import os
import sys
import tempfile
import time


def last_pid():
    """Nothing else runs in this pid namespace, so the difference is the number of new processes (and threads)."""
    try:
        with open("/proc/sys/kernel/ns_last_pid", encoding="ascii") as file:
            return int(file.read())
    except OSError:
        return None


def child(argv, output):
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    os.dup2(output.fileno(), 2)
    try:
        os.execvp(argv[0], argv)
    finally:
        os._exit(127)


def main():
    argv = sys.argv[1:]
    with tempfile.TemporaryFile() as output:
        before = last_pid()
        start = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            child(argv, output)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - start
        after = last_pid()
        output.seek(0)
        result = {
            "wall": wall,
            "cpu": usage.ru_utime + usage.ru_stime,
            "peak": usage.ru_maxrss / 1024,
            "pids": None if before is None or after is None else after - before - 1,
            "code": os.waitstatus_to_exitcode(status),
            "stderr": output.read().decode(errors="replace"),
        }
    json.dump(result, sys.stdout)


main()
