"""Which real servers can run on this machine: each module finds one, starts it on a free port and ends it again."""
