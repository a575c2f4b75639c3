# What follows a request, on the accelerator: 16 tokens of every family, dense as Hugging Face generates greedily, concentrated as the reference goes
# on with the same choices; every run is sanitized, and a run without data takes the same cycles.
# LONG: eight families; decode-session.py takes one
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from decoding import CLOSE, Judge

import focus
from focus.compiler.frontend import zoo
from focus.compiler.truth.reference import Front

COUNT = 16
for name in ("llava-onevision-tiny", "llava-tiny", "llava-next-tiny", "llava-next-video-tiny", "internvl-tiny", "qwen2-vl-image-tiny",
             "qwen2.5-vl-tiny", "qwen3-vl-tiny"):
    model, inputs = zoo.build(name)
    for mode in ("off", "full"):
        exe = focus.compile(model, inputs, "focus", mode, max_new_tokens=COUNT)
        with exe.session(inputs, sanitize=True) as session:
            tokens, = session.generate(COUNT)
            reports = [session.results[0].report, *(report for _, report in session.runs)]
            last, trace, concentration = session.logits[0], session.results[0].trace, session.results[0].concentration
        findings = sum(r["sanitizer"]["total"] for r in reports)
        generation = exe.time(trace, generate=COUNT)["generation"]
        same = generation["step_cycles"] == [r["cycles"] for r in reports[1:]] and generation["time_to_first_token_s"] == reports[0]["seconds"]
        judge = Judge(Front.of(model, inputs, more=COUNT).run(concentration, trace if mode == "full" else None))
        judge.generated(tokens[:-1])
        judge.logits(last)
        print(name, mode, judge.verdict, "sanitizer", findings, "cycles", same, end=" " if mode == "off" else "\n")
        if mode == "off":
            with torch.no_grad():
                own = model.generate(**inputs, max_new_tokens=COUNT, do_sample=False, eos_token_id=None, pad_token_id=0, output_logits=True,
                                     return_dict_in_generate=True)
            theirs = own.sequences[0, -COUNT:].tolist()
            at = next((i for i, (a, b) in enumerate(zip(tokens, theirs)) if a != b), None)
            two = None if at is None else own.logits[at][0].topk(2).values
            print("Hugging Face", "alike" if two is None or float((two[0] - two[1]) / own.logits[at].norm()) < CLOSE else f"token {at} differs")
# CHECK: llava-onevision-tiny off right sanitizer 0 cycles True Hugging Face alike
# CHECK-NEXT: llava-onevision-tiny full right sanitizer 0 cycles True
# CHECK-NEXT: llava-tiny off right sanitizer 0 cycles True Hugging Face alike
# CHECK-NEXT: llava-tiny full right sanitizer 0 cycles True
# CHECK-NEXT: llava-next-tiny off right sanitizer 0 cycles True Hugging Face alike
# CHECK-NEXT: llava-next-tiny full right sanitizer 0 cycles True
# CHECK-NEXT: llava-next-video-tiny off right sanitizer 0 cycles True Hugging Face alike
# CHECK-NEXT: llava-next-video-tiny full right sanitizer 0 cycles True
# CHECK-NEXT: internvl-tiny off right sanitizer 0 cycles True Hugging Face alike
# CHECK-NEXT: internvl-tiny full right sanitizer 0 cycles True
# CHECK-NEXT: qwen2-vl-image-tiny off right sanitizer 0 cycles True Hugging Face alike
# CHECK-NEXT: qwen2-vl-image-tiny full right sanitizer 0 cycles True
# CHECK-NEXT: qwen2.5-vl-tiny off right sanitizer 0 cycles True Hugging Face alike
# CHECK-NEXT: qwen2.5-vl-tiny full right sanitizer 0 cycles True
# CHECK-NEXT: qwen3-vl-tiny off right sanitizer 0 cycles True Hugging Face alike
# CHECK-NEXT: qwen3-vl-tiny full right sanitizer 0 cycles True
