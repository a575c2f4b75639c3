# Binaries that lie, with all checksums right: JSON nested or long beyond reason, numbers near 2^31, 2^48 and 2^63, names with control characters,
# references that lead out of the folder, files that are no files.  Each is one line, and soon.
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
import hashlib
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import merged
from small import binary, error

from focus.runtime.run import executable, fxb
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import read_toml
from focus.runtime.spec.machine import Machine

folder = Path(sys.argv[1])
path = folder / "a.fxb"


def parts(of):
    """Header and data of a binary's file."""
    of.save(path)
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8:8 + length]), raw[8 + length:]


def refused(header, data, metadata):
    """What loading says of the file with this metadata, whose sum is mended."""
    sums = json.loads(metadata["sha256"])
    sums["metadata"] = fxb._metadata_sum(metadata)
    raw = json.dumps(header | {"__metadata__": metadata | {"sha256": json.dumps(sums)}}).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)
    begin = time.monotonic()
    message = error(fxb.load, path)
    assert time.monotonic() - begin < 10, message
    assert message.isprintable() and len(message) < 2000, message
    return message.removeprefix(f"{path}: ")


header, data = parts(merged.binary())
metadata = header["__metadata__"]
for name, text in (("nested", "[" * 100_000 + "]" * 100_000), ("digits", "1" * 10_000), ("list", "[" + "{}," * 1_000_000 + "{}]")):
    for key in ("machine", *fxb._RECORDS):
        found = refused(header, data, metadata | {key: text})
        assert key in found and found != "ACCEPTED", (key, found)
        if key in ("memory_map", "machine"):
            print(name, key, found[:80])
# CHECK: nested machine metadata 'machine': machine description is no JSON: maximum recursion depth
# CHECK-NEXT: nested memory_map metadata 'memory_map': no JSON: maximum recursion depth
# CHECK-NEXT: digits machine metadata 'machine': machine description is no JSON: Exceeds the limit
# CHECK-NEXT: digits memory_map metadata 'memory_map': no JSON: Exceeds the limit
# CHECK-NEXT: list machine metadata 'machine'
# CHECK-NEXT: list memory_map metadata 'memory_map'
found = refused(header, data, metadata | {"modules": json.dumps(["x" * 4000] * 9000)})
# CHECK-NEXT: no readable safetensors file: a header of {{[0-9]+}} bytes; at most 33554432 expected
print(found)


def numbers(value, place=()):
    """Places of all numbers in nested lists and dictionaries."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(inner, (*place, key))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield place


def with_number(value, place, number):
    if not place:
        return number
    copy = value.copy()
    copy[place[0]] = with_number(copy[place[0]], place[1:], number)
    return copy


# Every number of the metadata, made nearly as large as 31, 48 and 63 bits hold, or beyond: refused, or the program runs or fails with one line.
tried = accepted = 0
for key in ("memory_map", "inputs", "outputs", "params", "sites", "tokens", "concentration", "id_lists", "layers", "machine", "fixed_inputs"):
    value = json.loads(metadata[key])
    for place in numbers(value):
        if key == "machine" and place[0] == "energy":
            continue
        for number in (-1, 2 ** 31 - 1, 2 ** 31, 2 ** 48, 2 ** 48 + 1, 2 ** 63 - 1, 2 ** 63, 2 ** 64):
            changed = metadata | {key: json.dumps(with_number(value, place, number))}
            if key == "machine":
                try:
                    changed["machine_fingerprint"] = Machine.from_json(changed["machine"]).fingerprint
                except FocusError:
                    continue
            found, tried = refused(header, data, changed), tried + 1
            if found == "ACCEPTED":
                accepted += 1
                exe = executable.load(path, max_instructions=10_000_000, max_bytes=10_000_000_000)
                error(exe.run, {"x": merged.inputs()})
                error(exe.time)
# CHECK-NEXT: numbers True True
print("numbers", tried > 300, accepted > 20, tried, accepted)

# Names reach no terminal as they are.
header, data = parts(binary())
metadata = header["__metadata__"]
for key, text in (("model", "\x1b[2Jgone"), ("modules", json.dumps(["a\0b", "store"])), ("inputs", metadata["inputs"].replace('"x"', '"\\u001b]0;x\\u0007"')),
                  ("model", "\u202eexe"), ("memory_map", metadata["memory_map"].replace("io", "i\\no"))):
    print(refused(header, data, metadata | {key: text}))
# CHECK-NEXT: metadata 'model': the name '{{.*}}x1b[2Jgone' has control characters
# CHECK-NEXT: metadata 'modules': 0: the name '{{.*}}' has control characters
# CHECK-NEXT: metadata 'inputs': Port: name: the name '{{.*}}' has control characters
# CHECK-NEXT: metadata 'model': the name '{{.*}}u202eexe' has control characters
# CHECK-NEXT: metadata 'memory_map': MemoryMap: regi\nons: unknown key
print(repr(str(FocusError("a\x1b[31mb\x07\u2028"))))
# CHECK-NEXT: 'a{{.*}}x1b[31mb{{.*}}x07{{.*}}u2028'

# A weights file lies in the binary's folder, and is a file.
secret = folder.parent / "secret.safetensors"
secret.write_bytes(b"12345678")
for name in (str(secret.resolve()), "../secret.safetensors", "sub/../../secret.safetensors"):
    reference = {"name": name, "sha256": hashlib.sha256(b"12345678").hexdigest(), "tensors": {"proj.weight": "w"}}
    print(refused(header, data, metadata | {"weights_file": json.dumps(reference)}))
# CHECK-COUNT-3: metadata 'weights_file': WeightsFile: name: '{{.*}}secret.safetensors' leads out of the binary's folder; give the file's place with --weights
os.mkfifo(folder / "pipe")
sums = json.loads(metadata["sha256"])
reference = {"name": "pipe", "sha256": "0" * 64, "tensors": {"proj.weight": "w"}}
print(refused(header, data, metadata | {"weights_file": json.dumps(reference)}))
# CHECK-NEXT: {{.*}}pipe: no regular file
for place in (folder / "pipe", "/dev/zero", "a\0b", "x" * 5000):
    print(error(fxb.load, place)[-60:])
# CHECK-NEXT: pipe: no regular file
# CHECK-NEXT: /dev/zero: no regular file
# CHECK-NEXT: embedded null byte
# CHECK-NEXT: File name too long

# Loops in each other that set what they have used, which the checks follow twice for each loop: refused instead of 2^7 times as long.
used = "\n".join(f"agu.stride id=a{i} level=l0 stride=0" for i in range(100))
body = f"{used}\n" * 20
first = "".join(f"agu id=a{i} space=dram dtype=f16 base=0 pitch=64 slots=1 slot_bytes=0 ring_level=never\n" for i in range(100))
for level in range(7):
    body = f"loop trips=e0\nagu.stride id=a{90 + level} level=l0 stride=0\n{body}\nagu id=a{90 + level} space=dram dtype=f16 base=0 pitch=64 slots=1 slot_bytes=0 ring_level=never\nendloop"
begin = time.monotonic()
found = error(binary(f"ext id=e0 full=2 total=2 step=0 level=never\n{first}{body}\nhalt").validate)
# CHECK-NEXT: deep True {{.*}}
print("deep", found == "ACCEPTED" or "cannot be checked in reasonable time" in found, found[:100])
assert time.monotonic() - begin < 10

# TOML as well.
for name, text in (("nested.toml", "a = " + "[" * 10_000), ("digits.toml", "a = " + "1" * 10_000), ("long.toml", "#" * 2_000_000)):
    (folder / name).write_text(text)
    print(error(read_toml, folder / name)[:150])
print(error(read_toml, "/dev/zero"))
# CHECK-NEXT: nested.toml: no TOML: nested too deep
# CHECK-NEXT: digits.toml: no TOML: Exceeds the limit
# CHECK-NEXT: long.toml: no TOML file: longer than 1048576 bytes
# CHECK-NEXT: /dev/zero: no TOML file: longer than 1048576 bytes
