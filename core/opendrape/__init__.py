"""OpenDrape: de-identified, verified surgical video."""

__version__ = "0.1.0"
