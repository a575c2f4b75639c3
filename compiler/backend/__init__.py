"""From the torch dialect to a binary."""
