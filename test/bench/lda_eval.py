"""How good topics are: one measure for whatever system made them.

A corpus is a file with a line for each document: 1 if it is held out, else 0,
and word:count for each distinct word, all separated by spaces.  The words are
in NAME.vocab, one a line, the first is word 0.

Topics are a matrix phi, topics by words, of probabilities, and a vector alpha.
"""
import numpy as np
import scipy.sparse as sp

TOP_WORDS = 10
SYMMETRIC = [.005, .01, .02, .05, .1, .2, .5]
ENOUGH = 1e-5                   # change of a document's theta, as a share
ITERATIONS = 500
CHUNK = 256                     # documents folded in at a time


class Corpus:
    """Documents by words, counts; those for training and those held out."""

    def __init__(self, path):
        with open(path + '.vocab', encoding='utf-8') as file:
            self.words = file.read().split('\n')[:-1]
        held, ends, ids, counts = [], [0], [], []
        with open(path + '.txt', encoding='ascii') as file:
            for line in file:
                fields = line.split()
                held.append(fields[0] == '1')
                for field in fields[1:]:
                    word, count = field.split(':')
                    ids.append(int(word))
                    counts.append(int(count))
                ends.append(len(ids))
        matrix = sp.csr_matrix(
            (np.array(counts, dtype=np.int32), np.array(ids, dtype=np.int32),
             np.array(ends)), shape=(len(held), len(self.words)))
        held = np.array(held)
        self.train = matrix[~held]
        self.first, self.second = halves(matrix[held])


def halves(matrix):
    """Deal the tokens of each document at random: two matrices."""
    random = np.random.default_rng(1)
    tokens = matrix.data
    doc = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    doc, word = np.repeat(doc, tokens), np.repeat(matrix.indices, tokens)
    order = np.lexsort((random.random(len(doc)), doc))
    doc, word = doc[order], word[order]
    length = np.bincount(doc, minlength=matrix.shape[0])
    place = np.arange(len(doc)) - np.repeat(np.cumsum(length) - length, length)
    is_first = place < (length // 2)[doc]
    keep = (length >= 2)[doc]
    return [sp.csr_matrix((np.ones(len(doc))[some], (doc[some], word[some])),
                          shape=matrix.shape)
            for some in (is_first & keep, ~is_first & keep)]


def fold_in(counts, phi_of_word, alpha):
    """Weights of the topics in each document, phi fixed; rows sum to 1."""
    theta = np.empty((counts.shape[0], len(alpha)))
    for start in range(0, counts.shape[0], CHUNK):
        some = counts[start:start + CHUNK]
        theta[start:start + CHUNK] = fold_in_some(some, phi_of_word, alpha)
    return theta / theta.sum(axis=1, keepdims=True)


def fold_in_some(counts, phi_of_word, alpha):
    total = np.asarray(counts.sum(axis=1)).ravel()
    theta = alpha * (1 + total / alpha.sum())[:, None]
    active = np.arange(counts.shape[0])
    rows, doc, sums = gather(counts, phi_of_word)
    count = counts.data
    for iteration in range(1, ITERATIONS + 1):
        old = theta[active]
        p = np.einsum('ij,ij->i', rows, old[doc])
        sums.data[:] = count / p
        new = alpha + old * (sums @ rows)
        theta[active] = new
        if iteration % 10 == 0:
            change = np.abs(new - old).sum(axis=1)
            moving = change > ENOUGH * (total[active] + alpha.sum())
            if not moving.any():
                break
            active = active[moving]
            rows, doc, sums = gather(counts[active], phi_of_word)
            count = counts[active].data
    return theta


def gather(counts, phi_of_word):
    """phi of each count, its document, and a matrix that sums over them."""
    doc = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    sums = sp.csr_matrix((np.ones(counts.nnz), np.arange(counts.nnz),
                          counts.indptr), shape=(counts.shape[0], counts.nnz))
    return phi_of_word[counts.indices], doc, sums


def perplexity(corpus, phi, alpha):
    """Of the second halves, given topics from the first halves."""
    phi_of_word = np.ascontiguousarray(phi.T, dtype=np.float64)
    theta = fold_in(corpus.first, phi_of_word, np.asarray(alpha, np.float64))
    second = corpus.second
    doc = np.repeat(np.arange(second.shape[0]), np.diff(second.indptr))
    total = 0
    for start in range(0, second.nnz, 50000):
        some = slice(start, start + 50000)
        p = np.einsum('ij,ij->i', phi_of_word[second.indices[some]],
                      theta[doc[some]])
        total += (second.data[some] * np.log(p)).sum()
    return float(np.exp(-total / second.data.sum()))


def best_symmetric(corpus, phi):
    """The lowest perplexity with the same alpha for all topics, and that."""
    tried = {}
    nearest = min(range(len(SYMMETRIC)),
                  key=lambda i: abs(np.log(SYMMETRIC[i] * phi.shape[0] / 5)))
    here = nearest
    while True:
        for i in (here - 1, here, here + 1):
            if 0 <= i < len(SYMMETRIC) and i not in tried:
                alpha = np.full(phi.shape[0], SYMMETRIC[i])
                tried[i] = perplexity(corpus, phi, alpha)
        best = min(tried, key=tried.get)
        if best == here:
            return tried[best], SYMMETRIC[best]
        here = best


def top_words(phi, number=TOP_WORDS):
    """Ids of the most probable words of each topic, best first."""
    return np.argsort(-phi, axis=1, kind='stable')[:, :number]


def npmi(corpus, tops):
    """Mean over topics and pairs of top words; probabilities are shares of
    the documents for training.  A pair that no document has counts as -1."""
    relevant = np.unique(tops)
    index = {word: i for i, word in enumerate(relevant)}
    has = (corpus.train[:, relevant] > 0).astype(np.float64)
    together = np.asarray((has.T @ has).todense()) / corpus.train.shape[0]
    values = []
    for words in tops:
        at = [index[word] for word in words]
        for j in range(1, len(at)):
            for i in range(j):
                both = together[at[i], at[j]]
                either = together[at[i], at[i]] * together[at[j], at[j]]
                values.append(np.log(both / either) / -np.log(both)
                              if both > 0 else -1)
    return float(np.mean(values))


def unique_share(tops):
    """Of all places in the lists of top words, the share of distinct ones."""
    return len(np.unique(tops)) / tops.size


def judge(corpus, phi, alpha):
    """All figures of a model, by name."""
    phi = np.maximum(np.asarray(phi, np.float64), 1e-300)
    phi /= phi.sum(axis=1, keepdims=True)
    tops = top_words(phi)
    symmetric, which = best_symmetric(corpus, phi)
    return {'perplexity': perplexity(corpus, phi, alpha),
            'symmetric': symmetric, 'symmetric_alpha': which,
            'npmi': npmi(corpus, tops), 'unique': unique_share(tops)}
