#!/usr/bin/python3
"""`ingot undo` of a whole stack: the old state of SQLite, FAISS, PostgreSQL, Redis, Qdrant, MongoDB, `.env` and nginx is one safety snapshot,
read from where the swap left it, and comes back in every live service; and the undo is undone. A drill opens all of it beside.

Called by ctest with the program's path, the build folder and the source folder.
"""

from stack import main
from faulted_run import Counts, require
from whole_stack_test import WholeStack as Servers
from whole_stack_test import whole_stack

COUNTS = Counts()
ROUNDS = 3


class UndoOfAWholeStack(Servers):
    test_every_snapshot_is_one_round_in_every_store = None  # of whole_stack_test.py

    def test_the_old_state_of_every_store_comes_back(self):
        self.start_servers()
        stack, places = self.make_stack()
        with open(self.control + "/paused", "w", encoding="utf-8"):
            pass  # nobody writes beside: every pause is there at once
        stores = [store(places) for store in whole_stack.STORES]
        for store in stores:
            store.fill()
        self.deploy(stack.root, 0)
        stack.init()
        taken = stack.ingot("snapshot", "--golden").expect(0).summary["snapshot_id"]
        for number in range(1, ROUNDS + 1):
            for store in stores:
                store.write(number)
        self.deploy(stack.root, ROUNDS)

        done = stack.ingot("restore", taken, "--yes").expect(0)
        self.require_round(stack, stores, 0, done)
        for wanted in (ROUNDS, 0, ROUNDS):
            done = stack.ingot("undo", "--yes").expect(0)
            self.require_round(stack, stores, wanted, done)
            COUNTS.add("undos of eight sources")

        # Its engines open the old state as they open any snapshot.
        safety = done.summary["safety_snapshot_id"]
        for which in ("golden", safety):
            drilled = stack.ingot("drill", which).expect(0)
            require(drilled.summary["drilled"], "not drilled", drilled)
            COUNTS.add("drills of eight sources")
        self.require_round(stack, stores, ROUNDS, drilled)
        print(f"\n{COUNTS}")

    def require_round(self, stack, stores, wanted, done):
        found = {store.source: store.read() for store in stores}
        require(set(found.values()) == {wanted}, f"round {wanted} was to be live, and there is {found}", done)
        deploy = self.deployed(stack.root + "/.env", stack.root + "/web/sites-enabled/rag")
        require(deploy == wanted, f"deploy {wanted} was to be live, and there is {deploy}", done)
        require(not done.summary.get("problems"), "problems", done)
        require(not stack.leftovers(), f"left behind: {stack.leftovers()}", done)
        COUNTS.add("stores read", len(found))


del Servers

if __name__ == "__main__":
    main()
