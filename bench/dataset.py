"""Data to measure with: the same bytes for the same seed, and text that compresses as text does (2 to 3 times).

A folder `stack/` of three parts, by share of the size asked for:
    60 %  app.db     a SQLite database of text chunks, as a RAG stack keeps them
    25 %  docs/      text files of 2 KB to 2 MB
    15 %  models/    files of 8 MB that do not compress
"""

import itertools
import os
import random
import sqlite3

LETTERS = "etaoinshrdlucmfwypvbgk"


class Text:
    """Text from a word model: 30,000 words drawn by Zipf's law, in phrases of two to four, with numbers between them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        some = random.Random(4)  # the language is the same for every seed
        letters = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(LETTERS))))
        words = ["".join(some.choices(LETTERS, cum_weights=letters, k=2 + min(10, int(some.expovariate(0.22))))) for _ in range(30_000)]
        zipf = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(words))))
        self.phrases = []
        for _ in range(400_000):
            phrase = " ".join(some.choices(words, cum_weights=zipf, k=some.randint(2, 4)))
            if some.random() < 0.08:
                phrase += f" {some.randint(0, 99_999)}"
            self.phrases.append(phrase + some.choice([" ", " ", " ", ", ", ". "]))
        self.mean = sum(map(len, self.phrases)) / len(self.phrases)

    def bytes(self, size):
        text = "".join(self.random.choices(self.phrases, k=int(size / self.mean * 1.05) + 8))
        while len(text) < size:
            text += text
        return text[:size].encode()

    def chunk(self):
        """One text chunk: 600 to 1,400 characters, whole phrases."""
        return "".join(self.random.choices(self.phrases, k=int(self.random.uniform(600, 1400) / self.mean)))


def make_database(path, size, seed=1, journal="wal"):
    """A database of about `size` bytes. Returns its number of rows."""
    text = Text(seed)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA journal_mode={journal}")
    database.execute("PRAGMA synchronous=OFF")
    database.execute("CREATE TABLE chunks (id INTEGER PRIMARY KEY, document TEXT, position INTEGER, text TEXT)")
    database.execute("CREATE INDEX by_document ON chunks (document, position)")
    rows, written = 0, 0
    while written < size * 0.845:  # the rest is the slack of pages and the index
        database.execute("BEGIN")
        batch = []
        for _ in range(1_000):
            chunk = text.chunk()
            batch.append((f"doc-{rows // 40:07d}", rows % 40, chunk))
            written += len(chunk) + 40
            rows += 1
        database.executemany("INSERT INTO chunks (document, position, text) VALUES (?, ?, ?)", batch)
        database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return rows


def change_rows(path, share, seed):
    """Gives this share of the rows new text, at random. Returns how many."""
    text, some = Text(seed), random.Random(seed)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous=OFF")
    (rows,) = database.execute("SELECT max(id) FROM chunks").fetchone()
    chosen = some.sample(range(1, rows + 1), max(1, int(rows * share)))
    database.execute("BEGIN")
    database.executemany("UPDATE chunks SET text = ? WHERE id = ?", ((text.chunk(), row) for row in chosen))
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return len(chosen)


def make_stack(folder, size):
    os.makedirs(folder)
    make_database(os.path.join(folder, "app.db"), int(size * 0.60))
    text, some = Text(2), random.Random(2)
    left = int(size * 0.25)
    number = 0
    while left > 0:
        length = min(left, int(2_000 * 1000 ** some.random()))
        path = os.path.join(folder, "docs", f"{number // 200:03d}")
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, f"{number:05d}.md"), "wb") as file:
            file.write(text.bytes(length))
        left -= length
        number += 1
    os.makedirs(os.path.join(folder, "models"))
    left, number = int(size * 0.15), 0
    while left > 0:
        length = min(left, 8_000_000)
        with open(os.path.join(folder, "models", f"{number:03d}.bin"), "wb") as file:
            file.write(some.randbytes(length))
        left -= length
        number += 1


def make_small_files(folder, count):
    text, some = Text(3), random.Random(3)
    pool = text.bytes(4_000_000)
    for number in range(count):
        path = os.path.join(folder, "small", f"{number // 100:04d}")
        if number % 100 == 0:
            os.makedirs(path)
        start, length = some.randrange(len(pool) - 3_000), some.randint(200, 2_000)
        with open(os.path.join(path, f"{number:06d}.txt"), "wb") as file:
            file.write(b"%06d " % number + pool[start:start + length])


def changed_page_bytes(before, after, page=4096):
    """Bytes of the pages of `after` that `before` does not have at the same place."""
    changed = 0
    with open(before, "rb") as old, open(after, "rb") as new:
        while True:
            was, now = old.read(page * 256), new.read(page * 256)
            if not now:
                return changed
            if was != now:
                changed += sum(len(now[at:at + page]) for at in range(0, len(now), page) if was[at:at + page] != now[at:at + page])


def size_of(folder):
    """Bytes of all files below a folder."""
    return sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)
