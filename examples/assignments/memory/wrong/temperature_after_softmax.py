# loses: probabilities 4
# hint: Do your probabilities add up to 1? The temperature belongs to the logits.
def probabilities(logits, temperature):
    return probabilities_of(logits) / temperature
