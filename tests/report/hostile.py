#!/usr/bin/env python3
"""Writes result directories in which everything that can be named is hostile: OUT/{src,ref,dst}.

The reader of a report trusts it; whoever names a metric, a host or a package must not be able to run a
script in that reader's browser, break the XML of a Jenkins job or send a terminal an escape sequence.
Names of folders hold what a file system takes (bytes that are no UTF-8 too), texts hold all of it.
"""
import json
import os
import sys

CANARY = "window.canary=1"
TEXTS = [
    f"<script>{CANARY}</script>",
    f"\"><img src=x onerror={CANARY}>",
    f"'><svg/onload={CANARY}>",
    f"</script><script>{CANARY}</script>",
    f"</textarea></title></style><iframe srcdoc='<script>parent.{CANARY}</script>'>",
    "]]><![CDATA[ & &amp; <!-- --> --><!--",
    f"javascript:{CANARY}",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J \x9b31m \x08\x08\x08",
    "\u202eright to left\u202c \u2066isolated\u2069 \u200f \ufeff \u2028 \u2029",
    "nothing \x00 bell \x07 vertical \x0b form \x0c del \x7f \ufffe \uffff",
    "| pipe `code` @everyone #1 *bold* _it_ [link](javascript:alert(1)) ![x](y)",
    "{{ 7*7 }} {% raw %} ${7*7} %s %n",
    "a\r\nb\tc\nd",
    "😀 ř 漢字 e\u0301 \U000e0001",
]
CLIENTS = [f"{TEXTS[0]}-1", f"{TEXTS[7]}-2", f"{TEXTS[1]}{TEXTS[8]}-3"]
LONG = "x<b>'\"&" * 150_000  # a megabyte


def name(text, most=48):
    """What a file system takes of it."""
    kept = text.replace("/", "\u2215").replace("\x00", "").encode("utf-8", "surrogatepass")[:most]
    return kept


def figure(value, client="all", samples=(0.99, 1.0, 1.01), **more):
    return {"client_hostname": client, "role": "aggregate", "mean": value, "stddev": 1, "stddevpct": 1.0,
            "closest_sample": "1", "samples": [{"value": value * part} for part in samples], **more}


def iteration(number, title, factor, long):
    metrics = {}
    for index, text in enumerate(TEXTS):
        value = (1000.0 + index) * factor
        clients = [figure(value / 2 * part, client=client) for part, client in zip((1.0, factor, 1.0), CLIENTS)]
        metrics[f"{index}{text[:44]}"] = clients[:3 if index == 0 else 1] + [figure(value, unit=text, better="higher")]
    if long:
        metrics[LONG] = [figure(5.0 * factor, unit=LONG, better="lower")]
    primary = [f"{index}{text[:44]}" for index, text in enumerate(TEXTS)][:4]
    return {"iteration_number": number, "iteration_name": title, "iteration_name_format": "%d-%s",
            "iteration_data": {"throughput": metrics, "latency": {}, "parameters": {
                "benchmark": [{"benchmark_name": "fio", "primary_metric": metric, "note": f"{factor} {TEXTS[0]}"}
                              for metric in primary],
                "user": [{"profile": TEXTS[1], "host": f"{factor}{TEXTS[2]}"}]}}}


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(content)


def result(out, factor, build, lost):
    out = os.fsencode(out)
    places = [(name(TEXTS[0]), name(TEXTS[1])), (name(TEXTS[7]), name(TEXTS[8])), (b"bytes \xff\xfe\x80", b"fio \xc3("),
              (name(TEXTS[10]), b"uperf")]
    for index, (profile, test) in enumerate(places):
        if lost and index == 3:
            continue
        iterations = [iteration(1, TEXTS[index % len(TEXTS)], factor, index == 0),
                      iteration(2, TEXTS[-index - 1], 1.0, False)]
        text = json.dumps(iterations, ensure_ascii=index % 2 == 0).encode("utf-8", "surrogatepass")
        write(os.path.join(out, profile, test, b"0000", b"result.json"), text)
    error = os.path.join(out, places[0][0], places[0][1], b"tmp1", b"__error0__")
    write(os.path.join(error, b"exception"), "".join(TEXTS).encode("utf-8", "surrogatepass") + b"\xff\xfe\n" + LONG.encode())
    write(os.path.join(error, b"traceback"), LONG.encode())
    write(os.path.join(error, b"class"), TEXTS[0].encode())
    # A file that is no JSON at all, and one that is no text at all.
    write(os.path.join(out, places[1][0], b"broken " + name(TEXTS[4]), b"0000", b"result.json"), b"{\"<script>" + bytes(range(256)))
    packages = "\n".join(f"{text}{index}-{build}.{factor}-1.x86_64".replace("\n", " ") for index, text in enumerate(TEXTS))
    world = [{"general": f"Name:{TEXTS[0]}\nDistro:{TEXTS[1]} {build}", "kernel": f"{TEXTS[2]} {build}\n#1\nx86_64",
              "rpm": packages, "cmdline": f"a={TEXTS[3]} quiet{build}", "mitigations": f"/x/{TEXTS[0]}:{TEXTS[4]} {build}",
              "systemctl": f"{TEXTS[5]}.service enabled {build}", "params": f"{TEXTS[0]}: {build}{LONG}",
              "guest0_libvirt_xml": f"<domain>\n<name>{TEXTS[0]} {build}</name>\n]]>{TEXTS[7]}\n</domain>",
              TEXTS[0]: f"{TEXTS[1]} {build}"}]
    metadata = {"build": f"{build}{TEXTS[0]}{TEXTS[7]}".replace("\n", " ").replace("\r", " "), "distro": TEXTS[1] + TEXTS[8],
                "machine": TEXTS[0] + "," + TEXTS[4], "url": TEXTS[6], "machine_url": TEXTS[6],
                "runperf_version": TEXTS[3], "runperf_cmd": TEXTS[4] + LONG,
                "environment_world": json.dumps(world),
                "environment_profile_" + TEXTS[0]: json.dumps(world)}
    lines = "".join(f"{key}:{value}\n" for key, value in metadata.items()).encode("utf-8", "surrogatepass")
    write(os.path.join(out, b"RUNPERF_METADATA"), lines + b"bytes:\xff\xfe\xf0\n")


if __name__ == "__main__":
    target = sys.argv[1]
    result(os.path.join(target, "src"), 1.0, 1, False)
    # The references come in folders of hostile names: those are shown as well.
    result(os.path.join(os.fsencode(target), b"refs", name(TEXTS[0] + TEXTS[7])), 1.01, 2, False)
    result(os.path.join(os.fsencode(target), b"refs", b"ref \xff\xfe"), 0.6, 3, True)
    result(os.path.join(target, "dst"), 0.5, 4, True)
