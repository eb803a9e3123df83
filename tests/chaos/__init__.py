"""Faults against real nodes: their own network namespaces, file systems and clocks where the machine allows it."""
