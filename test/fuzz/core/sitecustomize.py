"""Lets FOCUS_SIM name another build of the simulator's core, such as the sanitized one: put this folder on PYTHONPATH.

In: the environment.  Out: `focus.runtime._sim` is loaded from that file.
"""
import importlib.machinery
import importlib.util
import os
import sys


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "focus.runtime._sim":
            return None
        file = os.environ["FOCUS_SIM"]
        return importlib.util.spec_from_loader(name, importlib.machinery.ExtensionFileLoader(name, file), origin=file)


if os.environ.get("FOCUS_SIM"):
    sys.meta_path.insert(0, _Finder)
