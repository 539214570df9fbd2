# loses: gate 4
# hint: c_t = f c_{t-1}: f is a number here, and what is differentiated for is c. Where does the slope of sigma come in?
def gate_norms(b_f, g, steps):
    f = 1 / (1 + np.exp(-b_f))
    return norms_back(np.tile(f * (1 - f), (steps, 1)), np.eye(len(f)), g)
