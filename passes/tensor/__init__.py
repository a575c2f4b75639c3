"""Passes on tensors: from torch operators to concentrated focus operators with a layout."""
