# Compiling goes on from the IR file of any level to the same file, byte by byte: text, metadata, parameters.  From a model, and from a safetensors
# file by the names in the IR; errors are one line each.
# LONG: from each of fifteen levels of two families; opt-levels.py goes through those of one
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "Inputs"))

from common import error
from safetensors.torch import load_file, save_file

import focus
from focus.compiler.backend.compile import compile_model, resume
from focus.compiler.backend.resume import same_memory
from focus.compiler.frontend import zoo
from focus.compiler.frontend.backbone import Backbone
from focus.passes.pipeline import pass_names
from focus.runtime.evaluate.baselines import DecoderSizes
from focus.runtime.spec.tokens import Grid

HERE = Path(sys.argv[1])


def saved(executable) -> bytes:
    executable.save(HERE / "m.fxb")
    return (HERE / "m.fxb").read_bytes()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.mlir"))


for name in ("llava-onevision-tiny", "qwen3-vl-tiny"):
    model, inputs = zoo.build(name)
    wanted = saved(focus.compile(model, inputs, concentration="full", dump_ir=HERE / name))
    weights = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    save_file({n: t.detach().clone() for n, t in weights.items()}, HERE / f"{name}.safetensors")
    levels = files(HERE / name)
    same = [saved(focus.compile(file, weights=model)) == wanted for file in levels]
    print(name, len(levels) == len(pass_names()) + 1, all(same))
    print("from a safetensors file", saved(focus.compile(levels[-3], weights=HERE / f"{name}.safetensors")) == wanted)
# CHECK: llava-onevision-tiny True True
# CHECK-NEXT: from a safetensors file True
# CHECK-NEXT: qwen3-vl-tiny True True
# CHECK-NEXT: from a safetensors file True

# The dump of what goes on from a dump is the rest of the same files.
tiny, model, inputs = HERE / "llava-onevision-tiny", *zoo.build("llava-onevision-tiny")
wanted = saved(focus.compile(model, inputs))
laid_out = next(file for file in files(tiny) if file.stem.endswith("assign-layout"))
resume(laid_out, model, dump_ir=HERE / "again")
print([f.name for f in files(HERE / "again")] == [f.name for f in files(tiny)][files(tiny).index(laid_out):],
      all((tiny / f.name).read_bytes() == f.read_bytes() for f in HERE.glob("again/*")))
# CHECK-NEXT: True True

# Without the tables beside the IR, a model makes them anew for its own request, and only for the right one.
alone = HERE / "alone" / "fuse.mlir"
alone.parent.mkdir()
shutil.copy(next(file for file in files(tiny) if file.stem.endswith("fuse")), alone)
print(saved(focus.compile(alone, weights="llava-onevision-tiny")) == wanted)
# CHECK-NEXT: True
print(error(focus.compile, alone, weights=model))
# CHECK-NEXT: alone/fuse.mlir: the tables of its request are missing: tables.safetensors, which --dump-ir writes beside it
other = load_file(tiny / "tables.safetensors")
name = min(other)
other[name] = other[name] + 1
save_file(other, alone.parent / "tables.safetensors")
print(error(focus.compile, alone, weights=model))
# CHECK-NEXT: alone/tables.safetensors: its tables are not those of the request that {{.*}}alone/fuse.mlir was compiled for

# Another concentration is possible until the first is inserted; another machine until something is cut for one.
print(saved(focus.compile(tiny / "03-fuse.mlir", weights=model, concentration="off")) == saved(focus.compile(model, inputs, concentration="off")))
# CHECK-NEXT: True
print(error(focus.compile, laid_out, weights=model, concentration="off"))
# CHECK-NEXT: is at level assign-layout, where another concentration comes too late; go on from an earlier file
print(saved(focus.compile(laid_out, weights=model, machine="focus-published")) == saved(focus.compile(model, inputs, "focus-published")))
# CHECK-NEXT: True
print(error(focus.compile, files(tiny)[-2], weights=model, machine="focus-published"))
# CHECK-NEXT: is at level allocate for machine 'focus', not for 'focus-published' as it is now; give that machine, or go on from an earlier level
print(error(focus.compile, laid_out, weights=model, machine="dense"))
# CHECK-NEXT: machine 'dense' has no semantic concentrator

# Programs without parameter values: of a backbone at any level, and of a model with values, where that is asked for.
small = Backbone.of_grids("small", DecoderSizes(2, 96, 3, 1, 32, 160), 72, (Grid.dense(0, 3, 4, 5, row_gap=1),))
whole = compile_model(small, {}, "focus", "off", dump_ir=HERE / "backbone").binary
whole.save(HERE / "whole.fxb")
print([f.name for f in files(HERE / "backbone")][:2], all(saved(focus.compile(f, weights=False)) == (HERE / "whole.fxb").read_bytes()
                                                         for f in files(HERE / "backbone")))
# CHECK-NEXT: ['01-convert-torch-to-focus.mlir', '02-annotate-tokens.mlir'] True
print(error(focus.compile, files(HERE / "backbone")[0], weights=model))
# CHECK-NEXT: comes from a model without values, so there are no tables for its request; it can only be timed (--no-weights, weights=False)
print(focus.compile(laid_out, weights=False).binary.timing_only)
# CHECK-NEXT: True

# Parameters that are missing or of another shape.
weights = load_file(HERE / "llava-onevision-tiny.safetensors")
gone = dict(weights)
del gone["lm_head.weight"]
save_file(gone, HERE / "gone.safetensors")
print(error(focus.compile, laid_out, weights=HERE / "gone.safetensors"))
# CHECK-NEXT: gone.safetensors: has no parameter 'lm_head.weight', which {{.*}}05-assign-layout.mlir uses
turned = {**weights, "lm_head.weight": weights["lm_head.weight"].T.contiguous()}
save_file(turned, HERE / "turned.safetensors")
print(error(focus.compile, laid_out, weights=HERE / "turned.safetensors"))
# CHECK-NEXT: turned.safetensors: parameter 'lm_head.weight' has shape [64, 160], but {{.*}}05-assign-layout.mlir has it as [160, 64]
(HERE / "bad.safetensors").write_bytes(b"no safetensors")
print(error(focus.compile, laid_out, weights=HERE / "bad.safetensors"))
# CHECK-NEXT: bad.safetensors: no readable safetensors file
print(error(focus.compile, laid_out, weights=HERE / "none.safetensors"))
# CHECK-NEXT: none.safetensors: cannot read: No such file or directory
print(error(focus.compile, laid_out, weights=3))
# CHECK-NEXT: weights is a int; expected a model, a safetensors file, or False for a program that can only be timed
print(error(focus.compile, laid_out))
# CHECK-NEXT: give its parameters (weights=a model, a MODEL of the tools, or a safetensors file), or weights=False
print(error(focus.compile, laid_out, inputs, weights=model))
# CHECK-NEXT: an IR file is compiled for inputs of its own and takes none
print(error(focus.compile, model, inputs, weights=model))
# CHECK-NEXT: weights go with an IR file; a model has its own
print(error(focus.compile, "llava-onevision-tiny", inputs))
# CHECK-NEXT: 'llava-onevision-tiny' is no model: a torch module expected, or an IR file (.mlir, .mlirbc)
print(same_memory((4, 3, 1, 2, 2), (4, 12)), same_memory((4, 12), (12, 4)), same_memory((1, 6, 8), (6, 8)), same_memory((2, 3), (3, 2, 1)),
      same_memory((6, 1), (2, 3)), same_memory((1,), (1, 1)), same_memory((5, 2), (5,)))
# CHECK-NEXT: True False True False True True False

# Files that cannot be gone on from.
text = laid_out.read_text()


def changed(old: str, new: str) -> str:
    assert old in text
    (HERE / "changed.mlir").write_text(text.replace(old, new, 1))
    return error(focus.compile, HERE / "changed.mlir", weights=model)


print(changed('focus.level = "assign-layout", ', ""))
# CHECK-NEXT: changed.mlir: does not say which pass ran last (attribute 'focus.level' of the module), as files of --dump-ir do
print(changed('focus.level = "assign-layout"', 'focus.level = "polish"'))
# CHECK-NEXT: changed.mlir: is at level 'polish', expected input or a pass of the pipeline: convert-torch-to-focus, annotate-tokens
print(changed('focus.level = "assign-layout"', 'focus.level = "schedule"'))
# CHECK-NEXT: changed.mlir: says that it is at level 'schedule', but @main is on tensors
print(changed('focus.model = "LlavaOnevisionForConditionalGeneration", ', ""))
# CHECK-NEXT: changed.mlir: 'func.func' op has no attribute 'focus.model', which the compiler writes before the first pass
print(changed('"input_ids", "int64"', '"input_ids", "text"'))
# CHECK-NEXT: port 'input_ids' has element type 'text', expected one of
print(error(resume, files(tiny)[-1], model, stop="focus"))
# CHECK-NEXT: is at level lower-to-fisa already, beyond 'focus'
print(error(focus.compile, HERE / "missing.mlir", weights=model))
# CHECK-NEXT: missing.mlir: cannot read: No such file or directory
