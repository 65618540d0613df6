#!/usr/bin/env python3
"""Writes results of one fio run on thirty hosts whose disks add up, the seventh bad in the last: OUT/{src,between,dst}."""
import json
import os
import sys


def write(path, seventh, build):
    hosts = [(f"192.0.2.{n}-1", 5000.0 * (1 + n * 7 % 5 / 500) * (seventh if n == 7 else 1)) for n in range(1, 31)]

    def entries(scale, aggregate):
        def one(client, value):
            return {"client_hostname": client, "role": "client", "mean": value, "stddev": 1, "stddevpct": 0.5,
                    "closest_sample": "1", "samples": [{"value": value * part} for part in (0.99, 1.0, 1.01)]}
        values = [scale(value) for _, value in hosts]
        return [one(host, value) for (host, _), value in zip(hosts, values)] + [one("all", aggregate(values))]

    iterations = [{"iteration_number": number, "iteration_name": name, "iteration_data": {
        "parameters": {"benchmark": [{"benchmark_name": "fio", "primary_metric": "iops_sec"}]},
        "throughput": {"iops_sec": entries(lambda v: v * factor, sum)},
        "latency": {"clat": entries(lambda v: 32e9 / (v * factor), lambda vs: sum(vs) / len(vs))}}}
        for number, (name, factor) in enumerate([("randread-4KiB", 1.0), ("randread-64KiB", 0.3), ("read-1024KiB", 0.05)], 1)]
    serial = os.path.join(path, "Localhost", "fio", "0000")
    os.makedirs(serial)
    with open(os.path.join(serial, "result.json"), "w", encoding="utf-8") as out:
        json.dump(iterations, out)
    with open(os.path.join(path, "RUNPERF_METADATA"), "w", encoding="utf-8") as out:
        out.write(f"build:{build}\nmachine:{','.join(host[:-2] for host, _ in hosts)}\nstarted:2026-11-2{build}T02:00:00Z\n")


if __name__ == "__main__":
    for number, (name, seventh) in enumerate([("src", 1.0), ("between", 0.998), ("dst", 0.1)], 1):
        write(os.path.join(sys.argv[1], name), seventh, number)
