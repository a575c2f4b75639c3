"""How an operator is mapped onto a machine: the legal mappings, what each costs, and the choice."""
