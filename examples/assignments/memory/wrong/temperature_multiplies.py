# loses: probabilities 4
# hint: Should the model be surer of itself in the cold, or in the heat?
def probabilities(logits, temperature):
    return probabilities_of(logits * temperature)
