"""Azure Service Bus as the doorbell. The SDK is imported with the first use: one machine never loads it."""

from opendrape.adapters.service_bus.client import BusClient
from opendrape.adapters.service_bus.dead_letters import ServiceBusDeadLetters
from opendrape.adapters.service_bus.doorbell import ServiceBusDoorbell

__all__ = ["BusClient", "ServiceBusDeadLetters", "ServiceBusDoorbell"]
