"""The worker, the process that runs a student's code. It uses the standard library and NumPy; minigrad if a question allows it.
Nothing here decides about right or wrong."""
