"""A Service Bus stand-in: AMQP 1.0 on a loopback socket for the unmodified SDK, with faults on demand.

Ours from the codec up, so that an error of the SDK's codec cannot cancel out. Not here: sessions, topics, transactions,
forwarding, token checks, quotas. What Azure itself does was never compared; see ``docs/servicebus.md``.
"""

from tests.servers.servicebus.broker import Broker
from tests.servers.servicebus.store import QueueRules, Store
from tests.servers.servicebus.threaded import BrokerThread, broker_thread

__all__ = ["Broker", "BrokerThread", "QueueRules", "Store", "broker_thread"]
