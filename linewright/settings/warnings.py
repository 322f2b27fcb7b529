"""What a configuration may say and yet hardly means."""

import ipaddress
from dataclasses import replace
from datetime import datetime, timedelta

from linewright.settings.site import Site
from plant.production import Order


def with_warnings(site: Site, *, sections: frozenset[str], now: datetime) -> Site:
    """The site with a sentence for everything that is allowed and worth a look.

    Args:
        site: The site.
        sections: Sections that the file has.
        now: Wall time.
    """
    found: list[str] = []
    found.extend(late_warning(order, now=now) for order in site.orders if order.due_at < now)
    made = {capability.product for capability in site.capabilities}
    for product in sorted({order.product for order in site.orders} - made):
        found.append(f"No line can make {product}, which is ordered; only stock can serve it. Add a capability.")
    for line in site.plant.lines:
        if site.capabilities and line.name not in {capability.line for capability in site.capabilities}:
            found.append(f"Line {line.name} can make nothing, so no plan will use it. Add its capabilities.")
    if "tariff" not in sections:
        found.append("There is no [tariff], so energy costs nothing in plans. Add one.")
    if "calendar" not in sections:
        found.append("There is no [calendar], so lines may run around the clock. Add shifts.")
    if not is_loopback(site.console.host):
        found.append(
            f"The console listens on {site.console.host} without a login; everybody who reaches port "
            f"{site.console.port} can decide on plans. Keep it behind a firewall or a proxy with a login."
        )
    if site.broker.username and site.broker.tls is None and not is_loopback(site.broker.host):
        found.append(
            f"The password goes to the broker at {site.broker.host} unencrypted. Add [broker.tls] and use port 8883."
        )
    return replace(site, warnings=tuple(found))


def late_warning(order: Order, *, now: datetime) -> str:
    """What to say of an order that is due in the past."""
    late_h = (now - order.due_at) / timedelta(hours=1)
    return (
        f"Order {order.number} was due {late_h:.0f} h ago ({order.due_at:%Y-%m-%d %H:%M} UTC); it is planned as late. "
        "Correct its due date, or remove the order if it is done."
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
