"""Make a small corpus, some topics, and what gensim says of their coherence.

usage: /usr/bin/python3 -B test/data/lda/make.py

Needs Debian's python3-gensim.  Writes texts, topics and coherence.tsv beside
this file; README.md there tells what is in them.
"""
import os
import random
import warnings

os.environ['OMP_NUM_THREADS'] = '1'

import numpy as np  # noqa: E402  (after the setting that it reads)
from gensim.corpora import Dictionary  # noqa: E402
from gensim.models import CoherenceModel  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = 48                      # and the last one is in no text
ABSENT = WORDS - 1
TOP_WORDS = 10
LENGTHS = [1, 2, 3, 9, 10, 11, 12, 25, 40, 60, 109, 110, 111, 112, 150, 260]
MEASURES = ['u_mass', 'c_npmi', 'c_v']


def make_texts():
    """Ids of words, some unknown (-1); each text leans to a part of them."""
    texts = []
    for number in range(64):
        length = LENGTHS[number % len(LENGTHS)]
        theme = random.randrange(6) * 8
        texts.append([-1 if random.random() < .3 else
                      (theme + int(8 * random.random() ** 2)) % ABSENT
                      if random.random() < .5 else
                      random.randrange(ABSENT) for _ in range(length)])
    return texts


def make_topics():
    """Themes, then mixtures, and the odd ones."""
    topics = [[(theme * 8 + i) % ABSENT for i in range(TOP_WORDS)]
              for theme in range(6)]
    for _ in range(4):
        topics.append(random.sample(range(ABSENT), TOP_WORDS))
    topics.append(random.sample(range(ABSENT), TOP_WORDS - 1) + [ABSENT])
    topics.append([ABSENT] + random.sample(range(ABSENT), TOP_WORDS - 1))
    topics.append([5, 40, 23])
    topics.append([17, 16])
    topics.append([30])
    return topics


def coherence(texts, topics, measure):
    """What gensim says, per topic.  An unknown word is one that is not in the
    dictionary."""
    as_words = [[str(word) for word in text] for text in texts]
    dictionary = Dictionary([[str(word) for word in range(WORDS)]])
    model = CoherenceModel(
        topics=[[str(word) for word in topic] for topic in topics],
        texts=as_words, dictionary=dictionary, coherence=measure,
        topn=TOP_WORDS, processes=1)
    return model.get_coherence_per_topic()


def write(name, rows):
    with open(os.path.join(HERE, name), 'w', encoding='ascii') as file:
        for row in rows:
            file.write('\t'.join(str(field) for field in row) + '\n')


def main():
    random.seed(1)
    warnings.simplefilter('ignore', RuntimeWarning)
    warnings.simplefilter('ignore', np.VisibleDeprecationWarning)
    texts, topics = make_texts(), make_topics()
    write('texts', texts)
    write('topics', topics)
    values = [coherence(texts, topics, measure) for measure in MEASURES]
    write('coherence.tsv', ([repr(float(value)) for value in row]
                            for row in zip(*values)))


if __name__ == '__main__':
    main()
