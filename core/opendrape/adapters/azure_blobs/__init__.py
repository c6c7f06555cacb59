"""Blobs on Azure Blob Storage (or Azurite): the port in ``store``, everything else is how it keeps its promises."""

from __future__ import annotations

from opendrape.adapters.azure_blobs.store import AzureBlobStore
from opendrape.adapters.azure_blobs.tuning import Tuning

__all__ = ["AzureBlobStore", "Tuning"]
