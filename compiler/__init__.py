"""The front door: models and their surgery, export and import, token layout, the whole compilation, and the tools.

In: PyTorch models (`loading`, `zoo`), clips (`video`).  Out: `importer.import_model` (torch dialect, parameters, token layout), `compile`,
`reference` (the plain PyTorch statement of the concentration algorithm).  Import the submodules by name: most of them import PyTorch.
"""
