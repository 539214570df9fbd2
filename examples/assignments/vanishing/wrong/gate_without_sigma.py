# loses: gate 4
# hint: Can more than all of the memory stay? b_f is what stands inside of sigma.
def gate_norms(b_f, g, steps):
    return norms_back(np.tile(b_f, (steps, 1)), np.eye(len(b_f)), g)
