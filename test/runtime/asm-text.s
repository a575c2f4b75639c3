# Text in, words, and the same meaning out: every kind of field, in any order, with comments.
# RUN: focus-translate --assemble %s | focus-translate --disassemble | filecheck %s
# RUN: focus-translate --assemble %s -o %t.bin
# RUN: focus-translate --disassemble %t.bin | focus-translate --assemble -o %t.again && cmp %t.bin %t.again

# CHECK:      ext id=e0 full=1024 total=-3 step=1024 level=l0
ext level=l0 id=e0 full=1024 total=-3 step=0x400    # fields in any order, numbers in any base
# CHECK-NEXT: agu id=a126 space=table dtype=u16 base=0xffffffffff pitch=64 slots=2 slot_bytes=65536 ring_level=never
agu id=a126 space=table dtype=u16 base=0xffffffffff pitch=64 slots=2 slot_bytes=65536 ring_level=never
# CHECK-NEXT: agu.stride id=a126 level=l6 stride=-1099511627776
agu.stride id=a126 level=l6 stride=-1099511627776
# CHECK-NEXT: scalar id=r15 value=0.1
scalar id=r15 value=0.1
# CHECK-NEXT: scalar id=r0 value=inf
scalar id=r0 value=1e60
# CHECK-NEXT: scalar id=r0 value=-0.0
scalar id=r0 value=-0
# CHECK-NEXT: scalar id=r0 value=0x7fc00001
scalar id=r0 value=0x7fc00001
# CHECK-NEXT: loop trips=e0
loop trips=e0
# CHECK-NEXT:   mm src=a1 wgt=a2 dst=a3 rows=e0 k=e1 n=e2 init=first.2 ; wait=s3@2,-,s4 signal=s5
mm src=a1 wgt=a2 dst=a3 rows=e0 k=e1 n=e2 init=first.2 wait=s3@2,-,s4 ; signal=s5
# CHECK-NEXT:   mm.kn src=a1 wgt=a2 dst=a3 count=a4 rows=e0 k=e1 n=e2 init=never
mm.kn src=a1 wgt=a2 dst=a3 count=a4 rows=e0 k=e1 n=e2 init=never
# CHECK-NEXT: endloop
endloop
# CHECK-NEXT: sync unit=sfu ; wait=-,s63@0
sync unit=sfu ; wait=-,s63@0
# CHECK-NEXT: halt
halt
