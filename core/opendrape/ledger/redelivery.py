"""How does an asset start again whose results are gone from the destination, or gone or damaged in the work folder?"""

from __future__ import annotations

from dataclasses import dataclass

from opendrape.domain.states import AssetState
from opendrape.domain.work import RESULTS_IN_DOUBT, Artefact, ArtefactKind, Asset
from opendrape.errors import NotFound
from opendrape.ledger.tidying import drop_results
from opendrape.ports.blobs import BlobStore
from opendrape.ports.catalogue import Catalogue


@dataclass(frozen=True)
class Redelivery:
    """Puts assets back to work; never overwrites what lies at a destination."""

    catalogue: Catalogue
    work_blobs: BlobStore
    destination: BlobStore

    def deliver_missing(self, asset_id: str, *, actor: str) -> bool:
        """Deliver again what was delivered but is not in this destination; True when it is on its way.

        Without masking when the masked file is still there. What is there but changed is left to a person.
        """
        asset = self.catalogue.asset(asset_id)
        if asset.state is not AssetState.DELIVERED or not self._is_missing(asset):
            return False
        if not all(self.work_blobs.exists(masked.name) for masked in self._artefacts(asset, ArtefactKind.MASKED)):
            self._drop(asset, actor)
        self.catalogue.deliver_again(asset_id, actor=actor)
        return True

    def retry(self, asset_id: str, *, actor: str) -> Asset:
        """``Catalogue.retry``, but damaged results go first: their names would be in the way of sound ones."""
        asset = self.catalogue.asset(asset_id)
        if asset.reason in RESULTS_IN_DOUBT:
            self._drop(asset, actor)
        return self.catalogue.retry(asset_id, actor=actor)

    def _is_missing(self, asset: Asset) -> bool:
        """Output or receipt is not there, and nothing else stands in the place of the other."""
        wanted = [
            *self._artefacts(asset, ArtefactKind.PUBLISHED)[-1:],
            *self._artefacts(asset, ArtefactKind.RECEIPT)[-1:],
        ]
        present = [artefact for artefact in wanted if self.destination.exists(artefact.name)]
        return len(present) < 2 and all(self._is_intact(artefact) for artefact in present)

    def _is_intact(self, artefact: Artefact) -> bool:
        try:
            return self.destination.digest(artefact.name).sha256 == artefact.sha256
        except NotFound:  # gone since we looked
            return True

    def _artefacts(self, asset: Asset, kind: ArtefactKind) -> list[Artefact]:
        return list(self.catalogue.artefacts(asset.asset_id, asset.policy.digest, kind))

    def _drop(self, asset: Asset, actor: str) -> None:
        drop_results(self.catalogue, self.work_blobs, asset.asset_id, asset.policy.digest, actor=actor)
