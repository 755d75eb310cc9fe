"""What lda.sh measures of vecsearch, through SQL.

usage: lda_sql.py FOLDER train CORPUS TOPICS ITERATIONS...
       lda_sql.py FOLDER infer|coherence|workers CORPUS TOPICS
       lda_sql.py FOLDER bars

The server is the one that psql connects to; FOLDER has the files that
lda_corpus.sql wrote.  Prints lines of JSON.
"""
import json
import os
import subprocess
import sys
import time

for library in ('OMP', 'OPENBLAS', 'MKL'):
    os.environ[library + '_NUM_THREADS'] = '1'

import numpy as np  # noqa: E402  (after the settings that it reads)

import lda_eval  # noqa: E402
import lda_rivals  # noqa: E402

ALL = 10000000                  # words of a topic: more than there are
MEASURES = ('u_mass', 'c_npmi', 'c_v')
INFER = 5000                    # documents, for gensim's loop
SEEDS = 20
SIDE = 5                        # of the bars' pictures
FOUND = .95                     # cosine of a bar and the topic that it is
TICKS = os.sysconf('SC_CLK_TCK')


class Session:
    """A connection, and a model of its own; what it spends is that of one
    backend."""

    END = '=== end of the answer ==='

    def __init__(self):
        self.psql = subprocess.Popen(
            ['psql', '-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', 'bench'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding='utf-8')
        self.pid = int(self.value('SELECT pg_backend_pid()'))
        self.model = f"'bench {self.pid}'"
        self.ask("SET client_min_messages = warning;"
                 "SET max_parallel_workers_per_gather = 0;"
                 "SET default_text_search_config = 'english'")

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure is None:
            self.ask(f'SELECT lda_drop({self.model})')
        self.psql.stdin.close()
        self.psql.wait()

    def ask(self, sql):
        """Rows of strings."""
        self.psql.stdin.write(f'{sql}\n;\n\\echo {self.END}\n')
        self.psql.stdin.flush()
        rows = []
        for line in self.psql.stdout:
            line = line.rstrip('\n')
            if line == self.END:
                return rows
            rows.append(line.split('\t'))
        raise RuntimeError(f'failed: {sql}')

    def value(self, sql):
        return self.ask(sql)[0][0]

    def cpu(self):
        """Seconds of the backend so far."""
        with open(f'/proc/{self.pid}/stat', encoding='ascii') as file:
            fields = file.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self):
        """MB of the backend at its peak, without the shared buffers."""
        with open(f'/proc/{self.pid}/status', encoding='ascii') as file:
            status = dict(line.split(':', 1) for line in file)
        return (kilobytes(status['VmHWM']) - kilobytes(status['RssShmem'])) / 1024

    def train(self, documents, topics, iterations, options=''):
        """CPU and wall seconds of that."""
        return self.spend(
            f'SELECT lda_train({self.model}, {quote(documents)}, {topics}, '
            f'iterations => {iterations}{options})')

    def spend(self, sql):
        """CPU and wall seconds of a statement."""
        cpu, wall = self.cpu(), time.monotonic()
        self.ask(sql)
        return self.cpu() - cpu, time.monotonic() - wall


def kilobytes(text):
    return int(text.split()[0])


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def counted(corpus):
    """Those for training, cut into the words that all systems get; the
    vocabulary is settled by that."""
    return (f'SELECT id, words, counts FROM {corpus} WHERE NOT held',
            ', min_df => 1, max_df => 1, vocabulary_size => 1000000')


def lexemes(corpus):
    """Those for training, as to_tsvector leaves them."""
    return (f'SELECT id, lexemes FROM {corpus} WHERE NOT held',
            ', min_df => 5, max_df => 0.5, vocabulary_size => 1000000')


def read_model(session, words):
    """phi with its columns in the order of these words, and alpha."""
    column = {word: i for i, word in enumerate(words)}
    topics = session.ask('SELECT topic, alpha FROM '
                         f'lda_topic_info({session.model}) ORDER BY topic')
    row = {topic: i for i, (topic, _) in enumerate(topics)}
    phi = np.zeros((len(topics), len(words)))
    for topic, _ in topics:
        for word, p in session.ask(
                'COPY (SELECT word, probability FROM '
                f'lda_top_words({session.model}, {topic}, {ALL})) TO STDOUT'):
            phi[row[topic], column[word]] = float(p)
    if not (phi > 0).all():
        raise RuntimeError('the vocabulary is not that of the files')
    return phi, np.array([float(alpha) for _, alpha in topics])


def train(folder, name, topics, *iterations):
    """With +beta behind a number of iterations, beta is learned."""
    corpus = lda_eval.Corpus(os.path.join(folder, name))
    documents, options = counted(name)
    for spec in iterations:
        number, _, beta = spec.partition('+')
        learned = ', optimize_beta => true' if beta else ''
        with Session() as session:
            cpu, wall = session.train(documents, topics, number,
                                      options + learned)
            memory = session.memory()
            phi, alpha = read_model(session, corpus.words)
            by_sql = session.value(
                f'SELECT lda_perplexity({session.model}, '
                f"'SELECT id, words, counts FROM {name} WHERE held')")
        say(corpus=name, topics=int(topics),
            system='vecsearch-beta' if beta else 'vecsearch',
            passes=int(number), cpu=cpu, wall=wall, memory=memory,
            by_sql=float(by_sql), **lda_eval.judge(corpus, phi, alpha))


def infer(folder, name, topics):
    """Documents a second, by CPU: all of the table in SQL, some in gensim."""
    documents, options = lexemes(name)
    with Session() as session:
        session.train(documents, topics, 50, options)
        number = int(session.value(f'SELECT count(*) FROM {name}'))
        for what, value in (('text', 'body'), ('tsvector', 'lexemes'),
                            ('arrays', 'words, counts')):
            sql = f'SELECT count(lda_topics({session.model}, {value})) FROM {name}'
            session.ask(sql)
            say_speed(name, topics, 'vecsearch', what, number,
                      session.spend(sql)[0])
        sql = f"SELECT count(to_tsvector('english', body)) FROM {name}"
        say_speed(name, topics, 'to_tsvector alone', 'text', number,
                  session.spend(sql)[0])
    infer_gensim(folder, name, topics)


def infer_gensim(folder, name, topics):
    from gensim.models import LdaModel
    corpus = lda_eval.Corpus(os.path.join(folder, name))
    bags = lda_rivals.bags(corpus.train)
    model = LdaModel(bags, num_topics=int(topics), random_state=1,
                     eval_every=None, id2word=dict(enumerate(corpus.words)))
    some = bags[:INFER]
    with lda_rivals.Clock() as clock:
        for bag in some:
            model.get_document_topics(bag)
    say_speed(name, topics, 'gensim', 'one by one', len(some), clock.cpu)
    with lda_rivals.Clock() as clock:
        model.inference(some)
    say_speed(name, topics, 'gensim', 'all at once', len(some), clock.cpu)


def coherence(folder, name, topics):
    """Against gensim's CoherenceModel: same topics, same sequences of words."""
    documents, options = lexemes(name)
    with open(os.path.join(folder, name + '.seq'), encoding='utf-8') as file:
        texts = [line.split() for line in file]
    with Session() as session:
        session.train(documents, topics, 50, options)
        tops = [[word for word, in session.ask(
                 f'SELECT word FROM lda_top_words({session.model}, {topic}, 10)')]
                for topic, in session.ask(
                    f'SELECT topic FROM lda_topic_info({session.model}) '
                    'ORDER BY topic')]
        for measure in MEASURES:
            cpu = session.cpu()
            ours = np.array([float(row[0]) for row in session.ask(
                f'SELECT coherence FROM lda_coherence({session.model}, '
                f'{quote(documents)}, {quote(measure)}) ORDER BY topic')])
            cpu = session.cpu() - cpu
            theirs, spent = coherence_gensim(texts, tops, measure)
            say(part='coherence', corpus=name, topics=int(topics),
                measure=measure, mean=ours.mean(), cpu=cpu, gensim_cpu=spent,
                difference=np.abs(ours - theirs).max())


def coherence_gensim(texts, tops, measure):
    from gensim.corpora import Dictionary
    from gensim.models import CoherenceModel
    dictionary = Dictionary(texts)
    with lda_rivals.Clock() as clock:
        model = CoherenceModel(topics=tops, texts=texts, dictionary=dictionary,
                               coherence=measure, topn=10, processes=1)
        values = model.get_coherence_per_topic()
    return np.array(values), clock.cpu


def workers(folder, name, topics):
    """Wall seconds with one worker and with two, and what both are worth."""
    corpus = lda_eval.Corpus(os.path.join(folder, name))
    documents, options = counted(name)
    for number in (1, 2, 1, 2):
        with Session() as session:
            _, wall = session.train(documents, topics, 200,
                                    f'{options}, workers => {number}')
            phi, alpha = read_model(session, corpus.words)
        say(part='workers', corpus=name, topics=int(topics), workers=number,
            wall=wall, perplexity=lda_eval.perplexity(corpus, phi, alpha))


def make_bars(seed):
    """The classic test: topics are the rows and columns of a square of words,
    each document of 100 words mixes them evenly at random."""
    random = np.random.default_rng(seed)
    bars = np.zeros((2 * SIDE, SIDE, SIDE))
    for i in range(SIDE):
        bars[i, i, :] = bars[SIDE + i, :, i] = 1 / SIDE
    bars = bars.reshape(2 * SIDE, SIDE * SIDE)
    mixed = random.dirichlet(np.ones(2 * SIDE), size=500) @ bars
    mixed /= mixed.sum(axis=1, keepdims=True)
    return bars, np.array([random.multinomial(100, p) for p in mixed])


def bars_found(bars, phi):
    """How many bars have a topic of their own that is like them."""
    from scipy.optimize import linear_sum_assignment
    phi = phi / np.linalg.norm(phi, axis=1, keepdims=True)
    alike = bars / np.linalg.norm(bars, axis=1, keepdims=True) @ phi.T
    return int((alike[linear_sum_assignment(-alike)] >= FOUND).sum())


def bars(_):
    found = {'vecsearch': [], 'gensim:10': [], 'sklearn-batch:30': []}
    words = [f'w{i:02}' for i in range(SIDE * SIDE)]
    for seed in range(1, SEEDS + 1):
        truth, counts = make_bars(seed)
        found['vecsearch'].append(bars_found(truth, bars_sql(words, counts, seed)))
        for system in list(found)[1:]:
            found[system].append(bars_found(truth, bars_rival(
                system, words, counts, seed)))
    for system, numbers in found.items():
        say(part='bars', system=system, seeds=SEEDS, bars=2 * SIDE,
            found=numbers, complete=numbers.count(2 * SIDE))


def bars_sql(words, counts, seed):
    with Session() as session:
        session.ask('CREATE TEMP TABLE bar (id int, words text[], counts int[])')
        rows = ','.join(
            f"({i}, '{{{','.join(words[w] for w in np.flatnonzero(row))}}}', "
            f"'{{{','.join(str(n) for n in row[row > 0])}}}')"
            for i, row in enumerate(counts))
        session.ask(f'INSERT INTO bar VALUES {rows}')
        session.train('SELECT id, words, counts FROM bar', 2 * SIDE, 200,
                      f', min_df => 1, max_df => 1, seed => {seed}')
        return read_model(session, words)[0]


def bars_rival(system, words, counts, seed):
    import scipy.sparse as sp
    name, passes = system.split(':')
    train_it, options = lda_rivals.SYSTEMS[name]
    corpus = type('Bars', (), {'train': sp.csr_matrix(counts), 'words': words})
    return train_it(corpus, 2 * SIDE, int(passes),
                    **{**options, 'random_state': seed})[1]


def say_speed(name, topics, system, what, number, cpu):
    say(part='infer', corpus=name, topics=int(topics), system=system, what=what,
        documents=number, cpu=cpu, speed=number / max(cpu, 1 / TICKS))


def say(**fields):
    print(json.dumps(fields), flush=True)


PARTS = {part.__name__: part
         for part in (train, infer, coherence, workers, bars)}

if __name__ == '__main__':
    PARTS[sys.argv[2]](sys.argv[1], *sys.argv[3:])
