# focus-opt starts without torch, transformers or pydantic; printing an empty module takes a fraction of a second.
# RUN: %python %s | filecheck %s
import subprocess
import sys

script = """
import sys
from focus.compiler.tools.opt import main
main(["-", "--cse"])
print([m for m in ("torch", "transformers", "pydantic") if m in sys.modules])
"""
print(subprocess.run([sys.executable, "-c", script], input="", capture_output=True, text=True, check=True).stdout)
# CHECK: module {
# CHECK: []
