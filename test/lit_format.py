"""How our lit tests run: as forks of a lit worker that has the tools imported, so that a test costs milliseconds instead of start-ups.

In: tests with RUN lines.  Out: lit results.

A RUN line that is a pipeline (`|`, `&&`, redirections, quotes) is run here: commands we know are called in a forked child, `%python
file.py` runs in one too, any other program is executed.  Lines with more shell than that go to lit's own shell.  Workers import numpy and
MLIR once; torch and transformers only in a worker that meets a test which uses them.
"""
import importlib
import os
import re
import runpy
import signal
import sys
import tempfile
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import lit.formats
import lit.Test
import lit.TestRunner

#: command -> module whose `main` it calls
TOOLS = {
    "focus-opt": "focus.compiler.tools.opt",
    "focusc": "focus.compiler.tools.focusc",
    "focus-translate": "focus.runtime.tools.translate",
    "focus-sim": "focus.compiler.tools.simulate",
    "focus-explore": "focus.compiler.tools.explore",
    "focus-trace": "focus.compiler.tools.trace_tool",
    "filecheck": "filecheck.main",
}
#: a Python test with one of these needs PyTorch; importing it once a worker saves seconds a test
_USES_TORCH = re.compile(r"^\s*(?:import|from)\s+(?:torch|transformers)\b|focus\.(?:compile|reference|agreement)\(|focus\.compiler(?!\.tools\.opt)"
                         r"|from focus import", re.MULTILINE)
_TORCH_MODULES = ("torch", "torch.export", "torch._dynamo", "torch_mlir.fx", "transformers",
                  "transformers.models.llava_onevision.modeling_llava_onevision", "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl",
                  "focus.compiler.tools.focusc", "focus.compiler.frontend.zoo", "focus.compiler.backend.compile", "focus.compiler.truth.agreement")
_TOKEN = re.compile(r"""\s*(?:(2>&1|2>|>>|>|<|&&|\|\||\|)|((?:[^\s'"|&<>;()$`*?\[\]\\#]|'[^']*'|"[^"$`\\]*")+))""")

_WRITE = os.O_WRONLY | os.O_CREAT
#: redirection -> the file descriptor it changes, and how its file is opened
_REDIRECTIONS = {"<": (0, os.O_RDONLY), ">": (1, _WRITE | os.O_TRUNC), ">>": (1, _WRITE | os.O_APPEND),
                 "2>": (2, _WRITE | os.O_TRUNC), "2>&1": (2, 0)}


# ---- RUN lines ---------------------------------------------------------------------------------------------------------------
@dataclass
class Command:
    """One command of a pipeline; `redirections` are (operator, file), done in this order, as a shell does."""
    argv: list[str] = field(default_factory=list)
    redirections: list[tuple[str, str]] = field(default_factory=list)


def parse_line(line: str) -> list[list[Command]] | None:
    """Pipelines of a RUN line, to be run one after the other while they succeed; None when it needs a real shell."""
    pipelines, at, target = [[Command()]], 0, ""
    while line[at:].strip():
        match = _TOKEN.match(line, at)
        if not match:
            return None
        at, (operator, word) = match.end(), match.groups()
        command = pipelines[-1][-1]
        if word is not None:
            word = re.sub(r"'([^']*)'|\"([^\"]*)\"", lambda m: m[1] if m[1] is not None else m[2], word)
            if target:
                command.redirections.append((target, word))
                target = ""
            elif not command.argv and re.match(r"\w+=", word):
                return None
            else:
                command.argv.append(word)
        elif target or operator == "||":
            return None
        elif operator == "|":
            pipelines[-1].append(Command())
        elif operator == "&&":
            pipelines.append([Command()])
        elif operator == "2>&1":
            command.redirections.append((operator, ""))
        else:
            target = operator
    commands = [c for p in pipelines for c in p]
    return None if target or any(not c.argv or c.argv[0] in ("cd", "export", "env") for c in commands) else pipelines


# ---- running -----------------------------------------------------------------------------------------------------------------
def _call(argv: list[str]) -> int:
    """Run one command in this (forked) process; its exit code."""
    if argv[0] == "not":
        return 0 if _call(argv[1:]) else 1
    sys.argv = argv
    try:
        if argv[0] in TOOLS:
            code = importlib.import_module(TOOLS[argv[0]]).main()
        elif argv[0] == sys.executable and len(argv) > 1 and argv[1].endswith(".py"):
            sys.argv, sys.path[0] = argv[1:], os.path.dirname(os.path.abspath(argv[1]))
            runpy.run_path(argv[1], run_name="__main__")
            code = 0
        elif argv[0] == sys.executable and argv[1:2] == ["-m"] and argv[2].startswith("focus."):
            sys.argv = argv[2:]
            runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
            code = 0
        else:
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                try:
                    os.execvp(argv[0], argv)
                except OSError as e:
                    print(f"{argv[0]}: {e.strerror}", file=sys.stderr, flush=True)
                    os._exit(127)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except SystemExit as e:
        if isinstance(e.code, str):
            print(e.code, file=sys.stderr)
        code = 1 if isinstance(e.code, str) else e.code
    return int(code or 0)


def _spawn(command: Command, stdin: int, stdout: int, stderr: int, folder: str, environment: dict[str, str]) -> int:
    """Fork a child that runs a command on these file descriptors; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        signal.signal(signal.SIGINT, signal.default_int_handler)    # as in a Python that has just started
        for fd, target in ((stdin, 0), (stdout, 1), (stderr, 2)):
            os.dup2(fd, target)
        for operator, file in command.redirections:
            target, flags = _REDIRECTIONS[operator]
            os.dup2(os.open(file, flags, 0o666) if file else 1, target)
        os.closerange(3, 256)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
        sys.stderr = open(2, "w", buffering=1, closefd=False)
        code = _call(command.argv)
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            pass                    # the reader of our output has gone
        os._exit(code & 255)


class _Timeout(Exception):
    pass


def _run_pipeline(pipeline: list[Command], folder: str, environment: dict[str, str], seconds: int) -> tuple[list[int], str]:
    """Exit codes of a pipeline's commands, and what the last one and all standard errors printed."""
    def expire(*_: object) -> None:
        raise _Timeout

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        source, pids = os.open(os.devnull, os.O_RDONLY), []
        for i, command in enumerate(pipeline):
            read, write = os.pipe() if i + 1 < len(pipeline) else (-1, os.dup(out.fileno()))
            pids.append(_spawn(command, source, write, err.fileno(), folder, environment))
            os.close(source)
            os.close(write)
            source = read
        before = signal.signal(signal.SIGALRM, expire)
        signal.alarm(seconds)
        try:
            codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        except _Timeout:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except (ProcessLookupError, ChildProcessError):
                    pass
            codes = [-signal.SIGKILL]
            err.write(f"no result after {seconds} seconds\n".encode())
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        text = ""
        for stream in (out, err):
            stream.seek(0)
            text += stream.read().decode(errors="replace")
        return codes, text


def _export_once() -> None:
    """Export the smallest module there is: the first export of a process imports hundreds of modules."""
    import torch

    class Increment(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    with warnings.catch_warnings(action="ignore"):
        torch.export.export(Increment(), (torch.zeros(1),)).run_decompositions()


def _warm_up(source: str, lines: list[str]) -> None:
    """Import in this worker what the test will need, so that later tests find it there."""
    for module in ("focus.compiler.tools.opt", "focus.passes.pipeline", "filecheck.main", "hypothesis"):
        importlib.import_module(module)
    with open(source, errors="replace") as f:
        text = f.read()
    needs_torch = (source.endswith(".py") and _USES_TORCH.search(text)) or any("focusc " in line for line in lines)
    if needs_torch and "torch" not in sys.modules:
        for module in _TORCH_MODULES:
            importlib.import_module(module)
        _export_once()


def is_long(source: bytes) -> bool:
    """Whether a test says that it is left out of a quick run: in a line `# LONG: why`."""
    return re.search(rb"^(#|//) LONG: \S", source, re.MULTILINE) is not None


class FocusTest(lit.formats.ShTest):
    """The format of all our tests.  A Python file without a RUN line is not a test but a module that tests beside it import."""

    def getTestsForPath(self, suite, path_in_suite, lit_config, local_config):
        for test in super().getTestsForPath(suite, path_in_suite, lit_config, local_config):
            source = Path(test.getSourcePath())
            text = source.read_bytes()
            if (source.suffix != ".py" or b"RUN:" in text) and not ("quick" in lit_config.params and is_long(text)):
                yield test

    def execute(self, test, lit_config):
        script = lit.TestRunner.parseIntegratedTestScript(test)
        if isinstance(script, lit.Test.Result):
            return script
        folder, base = lit.TestRunner.getTempPaths(test)
        substitutions = lit.TestRunner.getDefaultSubstitutions(test, folder, base)
        conditions = dict.fromkeys(test.config.available_features, True)
        lines = lit.TestRunner.applySubstitutions(script, substitutions, conditions, recursion_limit=test.config.recursiveExpansionLimit)
        lines = [re.sub(r"^\s*%dbg\(.*?\)\s*", "", getattr(line, "command", line)) for line in lines]
        plan = [parse_line(line) for line in lines]
        if None in plan:
            return super().execute(test, lit_config)
        _warm_up(test.getSourcePath(), lines)
        os.makedirs(folder, exist_ok=True)
        seconds = lit_config.maxIndividualTestTime or int(os.environ.get("FOCUS_TEST_SECONDS", "600"))
        for line, pipelines in zip(lines, plan):
            for pipeline in pipelines:
                codes, text = _run_pipeline(pipeline, os.path.dirname(base), test.config.environment, seconds)
                if any(codes):
                    return lit.Test.Result(lit.Test.FAIL, f"RUN: {line}\nexit codes: {codes}\n{text}")
        return lit.Test.Result(lit.Test.PASS, "")
