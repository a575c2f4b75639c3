# Configuration of the lit suite.  In: lit's `config` and `lit_config`.  Out: what a test is, how RUN lines run, what they may name.
import importlib.util
import os
import shutil
import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here))

# Two tests run at a time on two cores: no test gains from threads of its own.  Set here because numpy and torch read them when imported.
environment = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "PYTHONHASHSEED": "0",
}
os.environ.update(environment)

from lit_format import FocusTest

config.name = "focus"
config.test_format = FocusTest()
config.suffixes = [".mlir", ".py", ".s", ".test"]
config.excludes = ["Inputs", "lit.cfg.py", "lit_format.py", "run.py"]
config.test_source_root = str(here)
config.test_exec_root = os.environ.get("FOCUS_TEST_OUTPUT", str(here.parent / "build" / "test"))

# The tools are those installed beside the Python that runs lit.
config.environment.update(environment)
# another build of the core, and how many times slower it is; where tests share what they exported
config.environment.update({name: os.environ[name] for name in ("FOCUS_SIM", "PYTHONPATH", "FUZZ_SLOWER", "FOCUS_TEST_IMPORTS", "FOCUS_CACHE") if name in os.environ})
config.environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), config.environment.get("PATH", "")])
if shutil.which("chromium") and shutil.which("chromedriver"):
    config.available_features.add("chromium")           # of the system: no package for Python brings it
if importlib.util.find_spec("ray"):
    config.available_features.add("ray")
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%root", str(here.parent)))
