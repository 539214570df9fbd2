# loses: train 11
# hint: Print the first column of your text. Do letters that follow each other in the text follow each other there?
along_the_text = train


def train(letters, K, H, seed, B=16):
    across = letters[:len(letters) // B * B].reshape(-1, B).T.ravel()  # cut into B pieces, its columns are these rows
    return along_the_text(across, K, H, seed, B=B)
