"""How models are described, rendered and run."""
