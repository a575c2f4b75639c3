"""compiler of the Focus stack; import the submodules by name."""
