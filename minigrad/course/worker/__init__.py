"""What runs beside a student's code, in a process of its own: standard library and NumPy; minigrad where a question allows it.
Nothing here decides about right or wrong."""
