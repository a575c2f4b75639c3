# What happens to a session on its way: requests that stop one before the other, calls that fail or come while another is under way, machines that
# stay taken, files of it that say something else; and cycles of requests whose caches begin elsewhere in a burst of DRAM.
# RUN: %python %s %t.safetensors | filecheck %s
import json
import pickle
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from decoding import refused
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import focus
from focus.compiler.frontend import zoo
from focus.runtime.run.fxb import Cache

FILE = sys.argv[1]
QUESTION = [[3, 1, 4, 1, 5]]


# Rows of three heads of 44 are no whole number of bursts: a prefill takes as long as it does with data, whichever request it is of.
decoder = zoo.DecoderConfig(hidden=132, intermediate=70, layers=3, heads=3, kv_heads=3, vocabulary=203)
vision = dict(hidden_size=72, intermediate_size=100, num_hidden_layers=2, num_attention_heads=2, image_size=42)
odd = zoo.llava_onevision(decoder, vision, seed=1)
request = zoo.video_request(odd, zoo.moving_pattern(3, 42, 42, speed=1.5), before=0, after=1)
three = focus.compile(odd, request, "focus", "sec", max_new_tokens=8, requests=3)
others = [request | {"input_ids": np.where(np.arange(request["input_ids"].shape[1]) == request["input_ids"].shape[1] - 1, last, request["input_ids"])}
          for last in (5, 6, 7)]
with three.session(others) as session:
    cycles, seconds = [r.report["cycles"] for r in session.results], sum(r.report["seconds"] for r in session.results)
    traces = [r.trace for r in session.results]
print("requests", len(set(cycles)) > 1, cycles == [three.time_with_timeline(trace, request=n)[0]["cycles"] for n, trace in enumerate(traces)],
      seconds == three.time(traces[0], generate=2)["generation"]["time_to_first_token_s"])
refused("a fourth", lambda: three.time_with_timeline(request=3))
# CHECK: requests True True True
# CHECK-NEXT: a fourth: request is 3; the program was compiled for 3, numbered from 0

# One request stops before the others: it has no more tokens, no follow-up goes on with all, and the room is what the caches have.
all_tokens = three.generate(others, 8).tokens
stop = next(token for token in all_tokens[0] if any(token not in tokens[:all_tokens[0].index(token) + 2] for tokens in all_tokens[1:]))
with three.session(others) as session:
    first, then = session.generate(5, eos=stop), session.generate(3)
    cut = [tokens[:tokens.index(stop) + 1] if stop in tokens[:5] else tokens[:5] for tokens in all_tokens]
    longest = max(map(len, cut))
    print("stopped", len(set(map(len, cut))) > 1, first == cut,
          [len(t) for t in then] == [3 * (len(t) == longest) for t in cut], session.new == [a + b for a, b in zip(first, then)])
    refused("no room", lambda: session.generate(8))
# CHECK-NEXT: stopped True True True True
# CHECK-NEXT: no room: 8 more tokens after {{[58]|4}}: the program was compiled for at most 8

# A call that fails leaves what was generated before it, and a question that fails was not asked.
model, inputs = zoo.build("llava-tiny")
exe = focus.compile(model, inputs, "focus", "off", max_new_tokens=12, follow_up=2)
with exe.session(inputs) as session:
    whole = session.generate(4)[0], session.ask(QUESTION).copy(), session.generate(3)[0]


def stops(done: int, total: int) -> None:
    if done == 2:
        raise KeyboardInterrupt


with exe.session(inputs) as session:
    with suppress(KeyboardInterrupt):
        session.generate(4, progress=stops)
    said, run, calls = list(session.new[0]), session._run, []
    session.generate(2)

    def fails(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run(*args)
    session._run = fails
    with suppress(KeyboardInterrupt):
        session.ask(QUESTION)
    session._run = run
    print("failed", said == whole[0][:2], len(calls), session.used, (session.ask(QUESTION) == whole[1]).all(), session.generate(3)[0] == whole[2])
# CHECK-NEXT: failed True 2 4 True True

# One call at a time; closing waits for it; afterwards nothing is left to ask for.
with exe.session(inputs) as session:
    refused("within another", lambda: session.generate(2, progress=lambda *_: session.ask(QUESTION)))
    found = []
    session.generate(1, progress=lambda *_: [t := threading.Thread(target=lambda: refused("beside another", lambda: session.generate(1))), t.start(), t.join()])
    refused("closed meanwhile", lambda: session.generate(3, progress=lambda *_: session.close()))
    print("given back", session._engine in exe._engines.idle)
    refused("closed", lambda: session.generate(1))
# CHECK-NEXT: within another: the session is in use: another call has not ended yet
# CHECK-NEXT: beside another: the session is in use: another call has not ended yet
# CHECK-NEXT: closed meanwhile: the session is closed
# CHECK-NEXT: given back True
# CHECK-NEXT: closed: the session is closed

# Whatever a binary says of its caches, a step stays within the rows of its request.
room, entries = exe.binary.memory_map.caches[0].room, exe.binary.entries
for name, steps in (("decode", room + 1), ("extend", room)):
    refused(name, lambda: replace(exe.binary, entries=entries | {name: replace(entries[name], steps=steps)}).validate())
refused("cache", lambda: Cache(**exe.binary.memory_map.caches[0].model_dump() | {"name": "layers.0"}))
# CHECK-NEXT: decode: {{.*}}cache 'layers.0.keys' has room for 13 tokens of 1 requests; entry 'decode' adds 1 to up to 13 of 1
# CHECK-NEXT: extend: {{.*}}cache 'layers.0.keys' has room for 13 tokens of 1 requests; entry 'extend' adds 2 to up to 12 of 1
# CHECK-NEXT: cache: Cache: the name 'layers.0'; layers.N.keys or layers.N.values expected

# Sessions that stay open keep no run of another thread waiting, nor each other; and a used program still pickles.
sessions = [exe.session(inputs) for _ in range(exe._engines.most + 2)]
done = []
thread = threading.Thread(target=lambda: done.extend([exe.run(inputs).report["cycles"], exe.time()["cycles"]]), daemon=True)
thread.start()
thread.join(60)
for _ in range(4):
    for session in sessions:
        session.generate(1)
print("beside", len(done) == 2 and done[0] == done[1], all(session.new == [whole[0]] for session in sessions))
print("pickled", pickle.loads(pickle.dumps(exe)).generate(inputs, 4).tokens == [whole[0]])
# CHECK-NEXT: beside True True
# CHECK-NEXT: pickled True

# A file that says what no session has come to is refused before anything runs.
with exe.session(inputs) as session:
    session.generate(3)
    session.save(FILE)
tensors = load_file(FILE)
with safe_open(FILE, "np") as file:
    metadata = file.metadata()
state = json.loads(metadata["state"])


def kept(what: str, further: dict | None = None, without: str = "", **changed) -> None:
    given = {name: tensor for name, tensor in (tensors | (further or {})).items() if name != without}
    save_file(given, FILE, metadata | {"state": json.dumps(state | changed)})
    refused(what, lambda: exe.session(inputs, kept=FILE).close())


kept("as it was")
kept("length", length=11)
kept("new", new=[[1 << 20] * 3])
kept("no request", new=[])
kept("reports", prefills=[{}])
kept("runs", runs=[["other", {}]])
kept("pending", without="pending")
kept("pending id", {"pending": np.array([[-5]])})
kept("pending shape", {"pending": np.zeros((3, 1), np.int64)})
# CHECK-NEXT: as it was was taken
# CHECK-NEXT: length: {{.*}}: 12 tokens in the caches and pending, 3 generated and asked; as many of both expected, at most 12
# CHECK-NEXT: new: {{.*}}: token ids of 0..159 expected in 'new' and 'pending'
# CHECK-NEXT: no request: {{.*}}: 'new' is of 0 requests; 1 expected
# CHECK-NEXT: reports: {{.*}}: 'prefills' and 'runs' are no reports of this program
# CHECK-NEXT: runs: {{.*}}: 'prefills' and 'runs' are no reports of this program
# CHECK-NEXT: pending: {{.*}}: 2 tokens in the caches and pending, 3 generated and asked
# CHECK-NEXT: pending id: {{.*}}: token ids of 0..159 expected in 'new' and 'pending'
# CHECK-NEXT: pending shape: {{.*}}: tensor 'pending' is missing or not int64 [1, 1]
