"""The vocabulary: instructions, machines, tokens, concentrations, and how a user is told that one is wrong."""
