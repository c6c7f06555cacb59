"""The only importer of PyAV: probe, read, write, mux, scrub. Knows no arrays."""
