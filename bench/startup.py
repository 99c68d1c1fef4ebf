"""The time from an empty home to the first confirmed order, and the memory of the platform at rest.

    make bench-startup

The data is empty, the packages are installed, and the engines are the embedded ones. The
last line is one JSON object: ``first_page_s`` and ``first_confirmed_order_s`` count from the
start of ``up``. ``pss_mb`` and ``rss_mb`` (10**6 bytes) are the sums over all processes,
including the engines, after REST_S seconds without requests. PSS counts 1/n of a page that
n processes share.
"""

import json
import sys
import threading
import time

import requests

from atoll.testing.running import Platform, eventually, memory
from demo.shopper import Item, Shopper

REST_S = 60.0
RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 3


def first_page(gateway_url: str) -> bool:
    try:
        answer = requests.get(f"{gateway_url}/api/products?pageSize=10", timeout=5)
    except requests.ConnectionError:
        return False
    return answer.status_code == 200 and len(answer.json()) == 10


def measure() -> dict[str, float]:
    platform = Platform("bench-startup")
    starting = threading.Thread(target=platform.start)
    begun = time.monotonic()
    starting.start()
    try:
        eventually(lambda: first_page(platform.gateway_url), timeout_s=180)
        first_page_s = time.monotonic() - begun
        starting.join()
        shopper = Shopper(platform.gateway_url)
        shopper.register()
        product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
        placed = shopper.place_order([Item(product["id"], 1)])
        assert shopper.wait_until_final(placed["id"])["status"] == "confirmed"
        first_order_s = time.monotonic() - begun
        time.sleep(REST_S)
        weight = memory(platform.family())
    finally:
        starting.join()
        stopped_s = platform.stop()
    return {
        "first_page_s": round(first_page_s, 2),
        "first_confirmed_order_s": round(first_order_s, 2),
        **weight,
        "stop_s": round(stopped_s, 2),
    }


def main() -> None:
    runs = []
    for number in range(RUNS):
        runs.append(measure())
        print(f"run {number + 1}: {json.dumps(runs[-1])}", flush=True)
    median = {key: sorted(run[key] for run in runs)[len(runs) // 2] for key in runs[0]}
    print(json.dumps(median | {"runs": RUNS}))


if __name__ == "__main__":
    main()
