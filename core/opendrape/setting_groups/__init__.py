"""What can be set, in small groups: safe defaults, units in the names, a sentence for each."""
