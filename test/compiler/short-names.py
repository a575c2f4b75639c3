# The zoo and the error by their short names, `focus.compiler.zoo` and `focus.runtime.errors`: the same objects as where they are defined.
# RUN: %python %s | filecheck %s
import inspect

import focus
from focus.compiler import zoo
from focus.compiler.frontend import zoo as defined
from focus.runtime.errors import FocusError

# CHECK: True True
print(FocusError is focus.FocusError, all(hasattr(zoo, name) for name in zoo.__all__))
# CHECK-NEXT: []
print([name for name in zoo.__all__ if name != "Decoder" and getattr(zoo, name) is not getattr(defined, name)])
# whatever function of the zoo has a public name has it here too
# CHECK-NEXT: set()
print({name for name, thing in vars(defined).items() if inspect.isfunction(thing) and thing.__module__ == defined.__name__ and not name.startswith("_")} - set(zoo.__all__) or set())
