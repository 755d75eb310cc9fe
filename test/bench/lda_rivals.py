"""Train a topic model with gensim or scikit-learn and judge it.

usage: lda_rivals.py CORPUS TOPICS SYSTEM [OUT.npz]

SYSTEM is one of the names in SYSTEMS, with a number of passes or iterations
after a colon.  Prints a line of JSON.  OUT gets phi and alpha.
"""
import json
import os
import resource
import sys
import time

for library in ('OMP', 'OPENBLAS', 'MKL'):
    os.environ[library + '_NUM_THREADS'] = '1'

import numpy as np  # noqa: E402  (after the settings that it reads)

import lda_eval  # noqa: E402


def gensim_lda(corpus, topics, passes, **options):
    from gensim.models import LdaModel
    documents = bags(corpus.train)
    names = dict(enumerate(corpus.words))
    options = {'random_state': 1, 'eval_every': None, **options}
    with Clock() as clock:
        model = LdaModel(documents, num_topics=topics, id2word=names,
                         passes=passes, **options)
    return clock, model.get_topics(), model.alpha


def sklearn_lda(corpus, topics, passes, **options):
    from sklearn.decomposition import LatentDirichletAllocation
    options = {'random_state': 1, 'n_jobs': 1, **options}
    model = LatentDirichletAllocation(n_components=topics, max_iter=passes,
                                      **options)
    with Clock() as clock:
        model.fit(corpus.train)
    phi = model.components_
    return (clock, phi / phi.sum(axis=1, keepdims=True),
            np.full(topics, model.doc_topic_prior_))


# As people call them, and as well as they can be had.  "gensim-tuned" has
# the settings that came out best of a search.
SYSTEMS = {
    'gensim': (gensim_lda, {}),
    'gensim-auto': (gensim_lda, {'alpha': 'auto', 'eta': 'auto'}),
    'gensim-tuned': (gensim_lda, {'alpha': 'auto', 'eta': .01, 'decay': .5,
                                  'offset': 64, 'chunksize': 4096}),
    'sklearn-online': (sklearn_lda, {'learning_method': 'online'}),
    'sklearn-batch': (sklearn_lda, {'learning_method': 'batch'}),
}


class Clock:
    """CPU and wall seconds between entering and leaving."""

    def __enter__(self):
        self.wall = time.monotonic()
        self.cpu = time.process_time()
        return self

    def __exit__(self, *_):
        self.cpu = time.process_time() - self.cpu
        self.wall = time.monotonic() - self.wall


def bags(matrix):
    return [list(zip(matrix.indices[a:b].tolist(), matrix.data[a:b].tolist()))
            for a, b in zip(matrix.indptr, matrix.indptr[1:])]


def main():
    path, topics, system = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    name, passes = system.split(':')
    train, options = SYSTEMS[name]
    corpus = lda_eval.Corpus(path)
    clock, phi, alpha = train(corpus, topics, int(passes), **options)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if len(sys.argv) > 4:
        np.savez(sys.argv[4], phi=phi, alpha=alpha)
    print(json.dumps({
        'corpus': os.path.basename(path), 'topics': topics, 'system': name,
        'passes': int(passes), 'cpu': clock.cpu, 'wall': clock.wall,
        'memory': memory, **lda_eval.judge(corpus, phi, alpha)}))


if __name__ == '__main__':
    main()
