"""The report that people look at: one HTML file with the IR after each pass, the time line, where time, bytes and energy go, and what was
concentrated.

In: a compilation's IR (`levels.Recorder`, or the files of a dump) and a run (`run.Ran`).  Out: `page.write`, a file that opens without server or
network.
"""
