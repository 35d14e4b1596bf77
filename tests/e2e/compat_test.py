#!/usr/bin/python3
"""What does not go together is refused, or warned of, before anything is touched: a matrix in Markdown, engines, secrets.

Called by ctest with the program's path, the build folder and the source folder.
"""

import contextlib
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from stack import StackTest, main, quoted
from faulted_run import Counts, require
from qdrant_server import Qdrant

COUNTS = Counts()

MATRIX = """\
# What runs with what

Releases of the last year; ask before you deploy anything older.

| Binary     | Schema version | Status                | Notes            |
|------------|:--------------:|-----------------------|------------------|
| `v2.x`     | >= 41          | ✅ OK                 |                  |
| **v1.5.x** | 39 – 41        | ⚠️ needs a re-index    | see the runbook  |
| v1.4.0     | 40             | ✅                    | *the long one*   |
| 2.x        | < 41           | ❌ **INCOMPATIBLE**   | a column is gone |
"""

COMPATIBILITY = """version = "cat VERSION"

[compatibility]
matrix = "ops/matrix.md"
schema = { source = "db", sql = "SELECT max(version) FROM migrations" }
"""


class CompatTest(StackTest):
    def prepared(self, head=COMPATIBILITY, **arguments):
        """A golden snapshot of version v1.4.0 with schema 40."""
        stack = self.stack(taken=False, head=head, **arguments)
        os.makedirs(stack.root + "/ops")
        self.put(stack, "ops/matrix.md", MATRIX)
        self.put(stack, ".env", "API_KEY=of-that-day\nLOG_LEVEL=info\n")
        self.application(stack, "v1.4.0", 40)
        stack.init()
        stack.ingot("snapshot", "--golden").expect(0)
        return stack

    @staticmethod
    def put(stack, path, text):
        with open(os.path.join(stack.root, path), "w", encoding="utf-8") as file:
            file.write(text)

    def application(self, stack, version, schema):
        self.put(stack, "VERSION", version + "\n")
        with contextlib.closing(sqlite3.connect(stack.root + "/app.db")) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS migrations (version INTEGER)")
            connection.execute("INSERT INTO migrations VALUES (?)", (schema,))
            connection.commit()

    def said_nowhere(self, value, *done):
        for one in done:
            require(value not in one.said + one.out.decode(errors="replace"), "a secret's value is shown", one)
            COUNTS.add("outputs searched for a secret")

    def test_the_matrix_refuses_before_anything_is_touched(self):
        stack = self.prepared()
        self.application(stack, "v2.0.1-4-gabc1234", 41)
        for words in (["restore", "golden", "--yes"], ["restore", "latest", "--dry-run"], ["rollback"]):
            done = self.refused(stack, words, 23, "nothing was changed", "matrix.md: line 10", "INCOMPATIBLE", "--allow-incompatible")
            require("2.x" in done.said, "it does not say which row", done)
            COUNTS.add("restores refused")
        with self.unchanged(stack):
            table = stack.text("compat").expect(23)
        out = table.out.decode()
        require("v1.4.0" in out and "v2.0.1-4-gabc1234" in out and "does NOT go" in out, "the table does not say it", table)
        # Nothing live is touched beside it, and only the database keeps the schema.
        stack.text("restore", "latest", "--to", self.folder + "/beside").expect(0)
        stack.text("restore", "latest", "--only", "files", "--dry-run").expect(0)
        done = stack.text("restore", "golden", "--yes", "--allow-incompatible").expect(0)
        require("let through by --allow-incompatible" in done.said, "it does not say what it let through", done)

    def test_what_goes_together_is_restored_and_a_warning_stops_nothing(self):
        stack = self.prepared()
        self.put(stack, "docs/new", "later")
        done = stack.text("restore", "golden", "--yes").expect(0)
        require("warning" not in done.said, "a warning without a reason", done)
        self.application(stack, "v1.5.2", 41)
        lines = {line["what"]: line for line in stack.ingot("compat", "golden").expect(0).lines if line["message_type"] == "compatibility"}
        require(lines["schema"]["then"] == "40" and lines["schema"]["now"] == "41", f"other versions: {lines}")
        require(lines["matrix"]["verdict"] == "warning", f"no warning: {lines}")
        done = stack.text("restore", "golden", "--yes").expect(0)
        require("needs a re-index" in done.said, "the matrix's warning is not said", done)
        COUNTS.add("restores with a warning")
        for change in (lambda: os.remove(stack.root + "/ops/matrix.md"), lambda: self.put(stack, "ops/matrix.md", "# none\n")):
            change()
            done = stack.text("restore", "golden", "--yes").expect(0)
            require("cannot be asked" in done.said, "it does not say that the matrix is no help", done)
            COUNTS.add("restores with a warning")

    def test_a_checkout_brings_the_version_that_goes_with_it(self):
        stack = self.prepared(COMPATIBILITY + '\n[services]\ncheckout = "echo $INGOT_VERSION > VERSION"\n')
        self.application(stack, "v2.0.0", 41)
        stack.text("restore", "golden", "--yes").expect(0)
        with open(stack.root + "/VERSION", encoding="utf-8") as file:
            require(file.read() == "v1.4.0\n", "the application's version did not come back")

    def test_a_database_without_the_secrets_of_its_day_warns_with_their_names(self):
        stack = self.prepared()
        shown = stack.ingot("show", "latest").expect(0)
        require(json.dumps(shown.lines).count("fingerprints") == 1, "the manifest has no fingerprints", shown)
        self.said_nowhere("of-that-day", shown)
        self.put(stack, ".env", "API_KEY=of-today\nLOG_LEVEL=debug\n")
        for words in (["restore", "latest", "--only", "db", "--yes"], ["restore", "latest", "--only", "db", "--dry-run"]):
            done = stack.text(*words).expect(0)
            require("API_KEY is another" in done.said and "LOG_LEVEL" not in done.said, "it does not name the key", done)
            self.said_nowhere("of-that-day", done)
            self.said_nowhere("of-today", done)
        done = stack.text("restore", "latest", "--only", "env", "--dry-run").expect(0)
        require("beside db as it is now" in done.said, "it does not say that the database stays", done)
        both = stack.text("restore", "latest", "--only", "db,env", "--yes").expect(0)
        require("API_KEY" not in both.said, "a warning though both come back", both)
        alone = stack.text("restore", "latest", "--only", "db", "--yes").expect(0)
        require("API_KEY" not in alone.said, "a warning though the secrets are those of that day", alone)

    def test_a_repository_without_a_key_keeps_no_fingerprints(self):
        stack = self.stack(taken=False, fill=True, key=False)
        stack.ingot("init", "--no-encryption").expect(0)
        stack.ingot("snapshot").expect(0)
        shown = stack.ingot("show", "latest").expect(0)
        require("fingerprints" not in json.dumps(shown.lines), "there is no key to hide them", shown)

    def test_an_engine_that_cannot_take_it_refuses_before_anything_is_touched(self):
        server = Qdrant(self.folder + "/qdrant", "1.19.2")
        self.addCleanup(server.kill)
        os.environ["RAG_QDRANT_KEY"] = server.key
        self.addCleanup(os.environ.pop, "RAG_QDRANT_KEY", None)
        lines = [f"url = {quoted(server.url)}", 'api_key_env = "RAG_QDRANT_KEY"', 'timeout = "2s"']
        stack = self.stack(taken=False, sources={"search": ("qdrant", [], *lines), "files": ("files", ["docs"])})
        stack.init()
        server.fill()
        stack.ingot("snapshot", "--golden").expect(0)
        content = server.content()
        server.restart("1.18.0")
        for words in (["restore", "golden", "--yes"], ["restore", "golden", "--yes", "--allow-incompatible"],
                      ["restore", "golden", "--dry-run"]):
            self.refused(stack, words, 23, "the snapshot is of Qdrant 1.19.2, and the server is 1.18.0", "run Qdrant 1.19")
            COUNTS.add("restores refused")
        stack.text("compat", "golden").expect(23)
        stack.text("compat", "golden", "--only", "files").expect(0)
        stack.text("restore", "golden", "--only", "files", "--yes").expect(0)
        require(server.content() == content, "the server's collection was touched")


def tearDownModule():
    print(f"\ncounted: {COUNTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
