# loses: step_backward 2
# hint: Are two of your gradients equal? Check every parameter, not one of them.
right_backward = step_backward


def step_backward(**given):
    found = right_backward(**given)
    return {**found, "db_i": found["db_f"], "db_o": found["db_f"]}
