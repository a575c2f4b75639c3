"""The vocabulary: instructions, machines, tokens, concentrations, and the errors for wrong ones."""
