"""Measurements of this engine against its peers and against the physical floor, on the same clips, in one run."""
