# Conversations on a kept cache: several requests side by side, follow-ups of any length, stop tokens, one new token, prompts of one token, programs
# that were saved; and the same cycles without data.
# RUN: %python %s %t.fxb %t.safetensors | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
import torch
from decoding import LIMIT, Judge, refused
from models import distance

import focus
from focus.compiler.frontend import zoo
from focus.compiler.truth.reference import Front, continued

rng = np.random.default_rng(7)


def another(inputs: dict, number: int) -> dict:
    """A request of the same shape and layout: other pictures, other text at its end."""
    out = {name: np.array(value) for name, value in inputs.items()}
    for name, value in out.items():
        if name.startswith("pixel"):
            out[name] = (value + 0.3 * number * rng.standard_normal(value.shape)).astype(value.dtype)
    out["input_ids"][0, -3:] = rng.integers(0, 50, 3)
    return out


def findings(session) -> int:
    return sum(r["sanitizer"]["total"] for r in (*(result.report for result in session.results), *(report for _, report in session.runs)))


# Three requests, each against the reference alone.  The follow-up has two pieces, the second of which is not whole.
for name, mode, machine in (("llava-onevision-tiny", "full", "focus"), ("qwen2.5-vl-tiny", "off", "focus-16"),
                            ("qwen3-vl-tiny", "full", "focus-published")):
    model, inputs = zoo.build(name)
    requests = [another(inputs, number) for number in range(3)]
    exe = focus.compile(model, requests[0], machine, mode, max_new_tokens=20, follow_up=4, requests=3)
    asked = rng.integers(0, 50, (3, 5))
    with exe.session(requests, sanitize=True) as session:
        first, answered, then = session.generate(4), session.ask(asked).copy(), session.generate(3)
        found, results, last = findings(session), session.results, session.logits
        decode = [report["cycles"] for name, report in session.runs if name == "decode"]
        extend = [report["cycles"] for name, report in session.runs if name == "extend"]
    verdicts = []
    for number, request in enumerate(requests):
        judge = Judge(Front.of(model, request, more=20).run(results[number].concentration, results[number].trace if mode == "full" else None))
        judge.generated(first[number])
        judge.asked(asked[number])
        judge.logits(answered[number])
        judge.generated(then[number][:-1])
        judge.logits(last[number])
        verdicts.append(judge.verdict)
    timed = [exe.time_entry("decode", step)["cycles"] for step in (0, 1, 2, 9, 10)], [exe.time_entry("extend", step)["cycles"] for step in (3, 7)]
    print(name, mode, machine, set(verdicts), "sanitizer", found, "cycles", timed == (decode, extend))
# CHECK: llava-onevision-tiny full focus {'right'} sanitizer 0 cycles True
# CHECK-NEXT: qwen2.5-vl-tiny off focus-16 {'right'} sanitizer 0 cycles True
# CHECK-NEXT: qwen3-vl-tiny full focus-published {'right'} sanitizer 0 cycles True

# A follow-up on a kept cache gives the logits of the whole conversation; what it costs is its own tokens, not the conversation's.
model, inputs = zoo.build("llava-tiny")
exe = focus.compile(model, inputs, "focus", "off", max_new_tokens=40, follow_up=8)
exe.save(sys.argv[1])
exe = focus.load(sys.argv[1])
question = [3, 1, 4, 1, 5, 9, 2, 6, 5]
with exe.session(inputs) as session:
    said, = session.generate(6)
    logits = session.ask(np.array([question]))
    cost, whole = session.summary()["follow_up_s"], session.results[0].report["seconds"]
longer = continued(inputs, 0, len(said) + len(question))
longer["input_ids"] = torch.as_tensor(longer["input_ids"]).clone()
longer["input_ids"][0, -len(said) - len(question):] = torch.tensor(said + question)
with torch.no_grad():
    print("whole conversation", distance(logits, model(**longer).logits[:, -1].numpy()) < LIMIT, cost < whole)
# CHECK: whole conversation True True

# What the caches hold can be kept, for a session of the same program and the same request.
with exe.session(inputs) as session:
    session.generate(4)
    session.save(sys.argv[2])
    once = session.ask(np.array([question])), session.generate(3)
with exe.session(inputs, kept=sys.argv[2], sanitize=True) as session:
    again = session.ask(np.array([question])), session.generate(3)
    print("kept", (once[0] == again[0]).all(), once[1] == again[1], session.summary()["new_tokens"], session.runs[-1][1]["sanitizer"]["total"])
# CHECK: kept True True 7 0

# A stop token stops; without one the same tokens go on.
stop = said[2]
with exe.session(inputs) as session:
    print("stops", session.generate(6, eos=stop), said[:said.index(stop) + 1])
# CHECK: stops {{\[}}[[STOPPED:.*]]] [[STOPPED]]

# A prompt of one token, room for one new token, and an empty cache to append to.
request = zoo.video_request(model, zoo.moving_pattern(2, 28, 28), before=0, after=1)
one = focus.compile(model, request, "focus", "full", max_new_tokens=1)
generation = one.generate(request, 1)
judge = Judge(Front.of(model, request, more=1).run(generation.results[0].concentration, generation.results[0].trace))
judge.generated(generation.tokens[0])
print("one", judge.verdict, generation.report["steps"])
# CHECK: one right 0

# The sanitizer finds who reads a row of a cache that no step has written.
with exe.session(inputs, sanitize=True) as session:
    session.generate(2)
    session.length += 3
    session.generate(1)
    report = session.runs[-1][1]["sanitizer"]
    print("unwritten", report["total"] > 0, report["findings"][0].split(":")[1])
# CHECK: unwritten True {{.*}}reads dram bytes {{.*}}, which nothing has written


# Whatever is asked for that the program cannot do.
with exe.session(inputs) as session:
    session.generate(30)
    refused("more than the limit", lambda: session.generate(11))
    refused("a question beyond it", lambda: session.ask(np.zeros((1, 11), int)))
    refused("ids", lambda: session.ask(np.array([[1 << 20]])))
    refused("shape", lambda: session.ask(np.array([[1], [2]])))
    refused("none", lambda: session.generate(0))
refused("closed", lambda: session.generate(1))
refused("two requests", lambda: exe.session([inputs, inputs]))
plain = focus.compile(model, inputs, "focus", "off")
refused("no entry", lambda: plain.generate(inputs, 4))
backbone = focus.compile(model, inputs, "focus", "off", scope="backbone")
refused("backbone", lambda: backbone.generate(inputs, 4))
refused("backbone of steps", lambda: focus.compile(model, inputs, "focus", "off", scope="backbone", max_new_tokens=4))
refused("no question", lambda: one.session(request).ask(np.array([[1]])))
refused("timed too far", lambda: exe.time(generate=41))
refused("no such step", lambda: exe.time_entry("decode", 99))
refused("another request", lambda: exe.session(another(inputs, 1), kept=sys.argv[2]))
refused("another program", lambda: one.session(request, kept=sys.argv[2]))
refused("no session", lambda: exe.session(inputs, kept=sys.argv[1]))
refused("options", lambda: focus.compile(model, inputs, "focus", "off", requests=2))
# CHECK: more than the limit: 11 more tokens after 30: the program was compiled for at most 40 new tokens (max_new_tokens)
# CHECK-NEXT: a question beyond it: 11 more tokens after 30: the program was compiled for at most 40
# CHECK-NEXT: ids: ids: token ids of 0..{{[0-9]+}} expected, got 1048576
# CHECK-NEXT: shape: ids: integers of shape [1, n] expected, got int64 [2, 1]
# CHECK-NEXT: none: max_new_tokens is 0; a number of at least 1 expected
# CHECK-NEXT: closed: the session is closed
# CHECK-NEXT: two requests: the program was compiled for 1 requests side by side, got 2
# CHECK-NEXT: no entry: LlavaForConditionalGeneration has no entry 'decode': compile it with max_new_tokens (--max-new-tokens), scope whole
# CHECK-NEXT: backbone: LlavaForConditionalGeneration has no entry 'decode'
# CHECK-NEXT: backbone of steps: scope 'backbone' makes no tokens
# CHECK-NEXT: no question: LlavaForConditionalGeneration has no entry 'extend': compile it with follow_up (--follow-up), scope whole
# CHECK-NEXT: timed too far: generate is 41; the program was compiled for 1 to 40 new tokens (max_new_tokens)
# CHECK-NEXT: no such step: step is 99; entry 'decode' was compiled for 0 to 46
# CHECK-NEXT: another request: {{.*}}: these caches are of other requests: the inputs that were prefilled are not those given
# CHECK-NEXT: another program: {{.*}}: these caches are of another program
# CHECK-NEXT: no session: {{.*}}: format is 'fxb 1'; 'focus session 1' expected
# CHECK-NEXT: options: requests and follow_up are about tokens that follow a request: give max_new_tokens too
