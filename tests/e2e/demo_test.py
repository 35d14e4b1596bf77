#!/usr/bin/python3
"""`./dev demo` shows what it says: it runs without a terminal, in one screen, and leaves nothing behind.

Called by ctest with the program's path, the build folder and the source folder.
"""

import os
import subprocess
import sys
import tempfile
import unittest

INGOT, SOURCE = sys.argv[1], sys.argv[3]


def run_demo(program):
    with tempfile.TemporaryDirectory(prefix="ingot-demo-test-") as folder:
        done = subprocess.run(["/usr/bin/python3", os.path.join(SOURCE, "tests", "e2e", "demo.py"), program], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "TMPDIR": folder})
        return done.returncode, done.stdout, os.listdir(folder)


class Demo(unittest.TestCase):
    def test_puts_everything_back_on_one_screen_and_leaves_nothing(self):
        status, shown, left = run_demo(INGOT)
        print(shown)
        self.assertEqual(status, 0)
        self.assertIn("All as it was.", shown)
        self.assertRegex(shown, r"A user asked [1-9]\d* times meanwhile")
        self.assertIn('the invariant "every chunk has its vector" does not hold', shown)
        self.assertRegex(shown, r"changed +vectors/chunks.faiss")
        self.assertLessEqual(len(shown.splitlines()), 40)
        self.assertLessEqual(max(map(len, shown.splitlines())), 100)
        self.assertEqual(left, [])

    def test_fails_when_the_program_does_nothing(self):
        status, shown, left = run_demo("/bin/true")
        self.assertEqual(status, 1, shown)
        self.assertIn("FAILED", shown)
        self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
