"""What every service process does beside its work: threads that run until told to stop, health, figures, a door."""
