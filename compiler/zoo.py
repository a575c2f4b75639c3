"""The zoo under its public name: `from focus.compiler import zoo`.

In: a name.  Out: what `focus.compiler.frontend.zoo` has.
"""
from focus.compiler.frontend.zoo import *  # noqa: F403
