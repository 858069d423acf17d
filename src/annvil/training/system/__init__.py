"""The machine: processors, memory, processes, random numbers."""
