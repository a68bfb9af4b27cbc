"""Leader election by a Lease. A leader that loses the Lease exits, so that two replicas never act at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from modelops.machinery import metrics
from modelops.machinery.settings import Election

_log = logging.getLogger(__name__)
_UNREACHABLE = (aiohttp.ClientError, TimeoutError)


class LeadershipLostError(Exception):
    """Another replica is, or may be, the leader: stop at once."""


class _Lease(LeaseLock):
    """LeaseLock of the library, except that an unreachable API server is a failed attempt and not an exception."""

    async def get(self, name: str, namespace: str) -> Any:
        try:
            return await super().get(name, namespace)
        except _UNREACHABLE as error:
            return False, ApiException(status=0, reason=str(error))

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        return await self._attempt(self._create(name, namespace, election_record))

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        return await self._attempt(super().update(name, namespace, updated_record))

    async def release(self) -> None:
        """Clear the holder, so that a standby replica takes over without waiting for the Lease to expire."""
        await self.get(self.name, self.namespace)
        lease = self.lease_reference
        if lease is None or lease.spec is None or lease.spec.holder_identity != self.identity:
            return
        lease.spec.holder_identity = None
        try:
            await self.api_instance.replace_namespaced_lease(self.name, self.namespace, lease)
        except (ApiException, *_UNREACHABLE) as error:
            _log.info("releasing the Lease failed, it will expire: %s", error)

    async def _create(self, name: str, namespace: str, record: LeaderElectionRecord) -> bool:
        # LeaseLock of kubernetes 37.0 passes `pretty=True`, which its own client rejects.
        lease = client.V1Lease(metadata=client.V1ObjectMeta(name=name), spec=self.update_lease(record))
        try:
            await self.api_instance.create_namespaced_lease(namespace, lease)
        except ApiException as error:
            _log.info("creating the Lease failed: %s", error.reason)
            return False
        return True

    @staticmethod
    async def _attempt(call: Awaitable[bool]) -> bool:
        try:
            return await call
        except _UNREACHABLE:
            return False


async def lead(
    api_client: client.ApiClient,
    election: Election,
    identity: str,
    act: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Run `act` while this replica holds the Lease. Raises LeadershipLostError once the Lease is lost."""
    if not election.enabled:
        metrics.LEADER.set(1)
        await act()
        return
    lease = _Lease(election.name, election.namespace, identity, api_client)
    elected = asyncio.Event()

    async def started() -> None:
        elected.set()

    async def stopped() -> None:
        metrics.LEADER.set(0)

    campaign = LeaderElection(
        Config(
            lease,
            lease_duration=election.lease_seconds,
            renew_deadline=election.renew_seconds,
            retry_period=election.retry_seconds,
            onstarted_leading=started,
            onstopped_leading=stopped,
        )
    )
    holding = asyncio.create_task(campaign.run(), name="lease")
    acting = asyncio.create_task(_act_once(elected, act, identity), name="acting")
    try:
        done, _ = await asyncio.wait({holding, acting}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await lease.release()
    raise LeadershipLostError(f"{identity} lost the Lease {election.namespace}/{election.name}")


async def _act_once(elected: asyncio.Event, act: Callable[[], Coroutine[Any, Any, None]], identity: str) -> None:
    await elected.wait()
    _log.info("%s is the leader", identity)
    metrics.LEADER.set(1)
    await act()
