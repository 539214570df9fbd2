# loses: order 4
# hint: A node can be reached on a short way and on a long one. Which of the two says when its turn is?
def order(y):
    found, seen = [y], {y}
    for node in found:
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                found.append(parent)
    return found
