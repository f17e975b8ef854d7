"""Rate limits: each client has a token bucket, filled at a steady rate up to a burst."""

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_CLIENTS = 10_000


class Rate:
    """`per_second` times on average, `burst` times at once. The clients not seen for longest are forgotten first."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Return 0 and count it if `client` may go on now; otherwise the seconds until it may."""
        left = self._left(client)
        if left < 1:
            return (1 - left) / self._per_second
        self._keep(client, left - 1)
        return 0

    def give_back(self, client: str) -> None:
        """Undo the last `take`."""
        self._keep(client, min(self._burst, self._left(client) + 1))

    def _left(self, client: str) -> float:
        left, at = self._clients.get(client, (float(self._burst), self._clock()))
        return min(self._burst, left + (self._clock() - at) * self._per_second)

    def _keep(self, client: str, left: float) -> None:
        self._clients[client] = left, self._clock()
        self._clients.move_to_end(client)
        while len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
