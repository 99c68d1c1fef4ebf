"""The platform while one of its parts is away."""

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import psutil
import requests

from atoll import conf
from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Refused, Shopper


def in_stock(shopper: Shopper) -> dict[str, Any]:
    return next(found for found in shopper.products(inStock="true", pageSize=50) if found["stock"] >= 5)


def processes(platform: Platform) -> dict[str, int]:
    return {row["name"]: int(row["pid"]) for row in platform.state()["processes"]}


def test_a_killed_worker_is_restarted_and_no_order_is_lost(platform: Platform, shopper: Shopper):
    product = in_stock(shopper)
    before = processes(platform)
    placed = [shopper.place_order([Item(product["id"], 1)]) for _ in range(3)]
    for name in ("orders-worker", "payments-worker"):
        os.kill(before[name], signal.SIGKILL)
    placed += [shopper.place_order([Item(product["id"], 1)]) for _ in range(2)]
    for order in placed:
        assert shopper.wait_until_final(order["id"], timeout_s=60)["status"] == "confirmed"
    assert sorted(payment["status"] for payment in shopper.payments()) == ["completed"] * 5
    eventually(
        lambda: all(
            processes(platform)[name] != before[name] for name in ("orders-worker", "payments-worker")
        ),
        what="both workers run again under new pids",
    )


def test_orders_wait_while_payments_is_stopped_and_go_on_when_it_is_back(
    platform: Platform, shopper: Shopper
):
    product = in_stock(shopper)
    workers = [psutil.Process(processes(platform)["payments-worker"])]
    workers += workers[0].children(recursive=True)
    for process in workers:
        process.suspend()
    try:
        placed = shopper.place_order([Item(product["id"], 1)])
        eventually(
            lambda: shopper.order(placed["id"])["status"] == "awaiting_payment",
            what="the order waits for its payment",
        )
        assert shopper.products(pageSize=1), "browsing goes on"
    finally:
        for process in workers:
            process.resume()
    assert shopper.wait_until_final(placed["id"], timeout_s=60)["status"] == "confirmed"


def test_a_second_instance_takes_its_share_and_stopping_it_costs_no_request(
    platform: Platform, shopper: Shopper
):
    second = subprocess.Popen(
        [sys.executable, "manage.py", "products", "serve", "--port", "0"],
        cwd=conf.root(),
        env=platform.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    failures: list[str] = []
    done = threading.Event()

    def browse() -> None:
        browser = Shopper(platform.gateway_url)
        while not done.is_set():
            try:
                browser.products(pageSize=1)
            except Refused as refused:
                failures.append(str(refused))

    browsing = [threading.Thread(target=browse) for _ in range(4)]
    try:
        eventually(lambda: len(instances(platform, "product-service")) == 2, what="two instances registered")
        for thread in browsing:
            thread.start()
        eventually(lambda: answered_by(platform) >= 2, what="both instances answer")
        second.send_signal(signal.SIGTERM)
        assert second.wait(timeout=15) == 0
    finally:
        done.set()
        for thread in browsing:
            if thread.ident:
                thread.join()
        second.kill()
        second.wait()
    assert failures == []
    assert len(instances(platform, "product-service")) == 1


def instances(platform: Platform, service: str) -> list[dict[str, Any]]:
    called = platform.manage("call", "registry", "GET", f"/discover/{service}", "--json")
    assert called.returncode == 0, called.stderr
    import json

    return list(json.loads(called.stdout))


def answered_by(platform: Platform) -> int:
    """Return the number of different instances that answered a few health requests through discovery."""
    seen = set()
    for instance in instances(platform, "product-service"):
        health = requests.get(f"http://{instance['host']}:{instance['port']}/health", timeout=5).json()
        seen.add(health["instance"])
    return len(seen)


def test_a_service_that_is_away_is_a_clean_503_and_the_rest_goes_on(platform: Platform, shopper: Shopper):
    """The test suspends the service, since the supervisor would restart a killed one too early."""
    web = psutil.Process(processes(platform)["payments"])
    suspended = [web, *web.children(recursive=True)]
    for process in suspended:
        process.suspend()
    try:
        answer = requests.get(
            f"{platform.gateway_url}/api/payments", headers=shopper.authorization(), timeout=60
        )
        body = answer.json()
        assert answer.status_code in {503, 504}
        assert body["correlationId"] == answer.headers["X-Correlation-ID"]
        assert shopper.products(pageSize=1)
        assert "errors" not in shopper.dashboard()
    finally:
        for process in suspended:
            process.resume()
    eventually(lambda: reachable(shopper), timeout_s=90, what="payments answers again")


def reachable(shopper: Shopper) -> bool:
    try:
        shopper.payments()
    except Refused:
        return False
    return True


def test_a_second_up_in_the_same_place_says_so_and_disturbs_nothing(platform: Platform, shopper: Shopper):
    before = processes(platform)
    again = platform.manage("up")
    assert again.returncode != 0
    assert str(platform.state()["pid"]) in again.stdout + again.stderr
    assert processes(platform) == before
    assert shopper.health()["status"]
