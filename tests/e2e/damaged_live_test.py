#!/usr/bin/python3
"""A live state that is itself damaged is what a restore is for: a truncated database, corrupt indexes, missing files, a database that is
gone or that its engine cannot read, Redis data that no server takes. All of it comes back whole in one restore, and what was there is kept
for whoever looks into it: byte for byte where its engine does not open it.

Called by ctest with the program's path, the build folder and the source folder. Redis alone, in all its kinds: redis_files_test.py.
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from faulted_run import CI, INGOT, main, require, run, work_folder
from postgres_server import programs
from recorded_services import Services
from redis_server import SERVER
from service_scene import Scene

try:
    from five_stores import APP, SAVED, FiveStates
except ImportError:
    FiveStates = None


def read(path):
    with open(path, "rb") as file:
        return file.read()


def truncate(path, share=0.5):
    os.truncate(path, int(os.path.getsize(path) * share))


def scene_of(folder, states, services):
    scene = Scene(states, services)
    scene.set_old()
    return scene


def restored(scene, done):
    require(scene.states.which(done) == "new", "not restored", done)
    scene.services.require_running(done)


def kept(scene, done, source, name):
    """The bytes of what was there before, from the safety snapshot."""
    safety, to = done.summary["safety_snapshot_id"], f"{scene.stack.base}/look-{source}"
    require(safety, "no safety snapshot", done)
    shutil.rmtree(to, ignore_errors=True)
    scene.stack.ingot("restore", safety, "--only", source, "--to", to).expect(0)
    return read(f"{to}/{source}/{name}")


def everything_at_once(counts):
    """Every kind hurt in one stack."""
    with work_folder("damaged", quick=True) as folder:
        services = Services(folder + "/services")
        with FiveStates(folder, services.config) as states:
            scene = scene_of(folder, states, services)
            root = scene.stack.root
            for end in ("-wal", "-shm"):
                if os.path.exists(root + "/app.db" + end):
                    os.remove(root + "/app.db" + end)
            truncate(root + "/app.db")
            with open(root + "/vectors/index.faiss", "r+b") as file:
                file.write(b"\0\xff" * 40)
            truncate(root + "/vectors/index.faiss", 0.7)
            database, index = read(root + "/app.db"), read(root + "/vectors/index.faiss")
            shutil.rmtree(root + "/docs")
            os.remove(root + "/.env")
            states.postgres.sql(f'DROP DATABASE "{APP}" WITH (FORCE)')
            states.redis.ask_all([("FLUSHALL",), ("FUNCTION", "FLUSH")])
            done = run(states.words(INGOT)).expect(0)
            restored(scene, done)
            require(not scene.stack.leftovers(), f"left behind: {scene.stack.leftovers()}", done)
            require(kept(scene, done, "db", "app.db") == database, "the truncated database was not kept as it was", done)
            require(kept(scene, done, "vectors", "vectors/index.faiss") == index, "the corrupt index was not kept as it was", done)
            counts["damaged kinds restored at once"] = 5
            counts["kept byte for byte"] = 2


def corrupt_kinds(counts):
    """SQLite and FAISS, hurt in several ways each."""
    with work_folder("corrupt", quick=True) as folder:
        services = Services(folder + "/services")
        with FiveStates(folder, services.config) as states:
            scene = scene_of(folder, states, services)
            root = scene.stack.root

            def empty(path):
                os.truncate(path, 0)

            def header(path):
                with open(path, "r+b") as file:
                    file.write(b"not what it was" * 8)

            def middle(path):
                with open(path, "r+b") as file:
                    file.seek(os.path.getsize(path) // 2)
                    file.write(b"\xee" * 6000)

            def folder_there(path):
                os.remove(path)
                os.mkdir(path)
                with open(path + "/inside", "wb") as file:
                    file.write(b"in the way")

            def gone(path):
                os.remove(path)

            for source, path in (("db", "app.db"), ("vectors", "vectors/index.faiss")):
                for hurt in (empty, header, middle, gone, folder_there):
                    if hurt is folder_there and source == "db":
                        continue  # an engine's file is not a folder: refused in words, which sqlite_target_test.cc sees to
                    scene.set_old()
                    for end in ("-wal", "-shm"):
                        if os.path.exists(root + "/app.db" + end):
                            os.remove(root + "/app.db" + end)
                    hurt(f"{root}/{path}")
                    before = read(f"{root}/{path}") if os.path.isfile(f"{root}/{path}") else None
                    done = run(states.words(INGOT)).expect(0)
                    restored(scene, done)
                    if before:
                        require(kept(scene, done, source, path) == before or source == "db" and "raw bytes" not in done.said,
                                f"{path}, {hurt.__name__}: not kept as it was", done)
                        counts.add("kept for analysis")
                    counts.add("damaged states restored")


def a_database_that_its_server_cannot_read(counts):
    """Pages of a table are garbage: renaming needs none of them, and what its server keeps is stored file by file. So is a database of which
    a file is gone."""
    with work_folder("corrupt-pg", quick=True) as folder:
        services = Services(folder + "/services")
        with FiveStates(folder, services.config) as states:
            scene = scene_of(folder, states, services)
            postgres = states.postgres

            def garbage(path):
                with open(path, "r+b") as file:
                    file.write(b"\xee" * 8192)

            for hurt in (garbage, os.remove):
                scene.set_old()
                path = postgres.sql("CHECKPOINT; SELECT pg_relation_filepath('t')", APP).splitlines()[-1]
                postgres.kill()
                hurt(f"{postgres.folder}/data/{path}")
                postgres.start()
                require(postgres.psql("SELECT count(*) FROM t", APP, check=False).status != 0, "the table can still be read")
                done = run(states.words(INGOT)).expect(0)
                restored(scene, done)
                require("it is stored as raw bytes" in done.said, "not said that the old database is kept as raw bytes", done)
                require(postgres.databases() == [APP, SAVED], f"left behind: {postgres.databases()}", done)
                safety, to = done.summary["safety_snapshot_id"], folder + "/look"
                shutil.rmtree(to, ignore_errors=True)
                scene.stack.ingot("restore", safety, "--only", "app", "--to", to).expect(0)
                kept_path = f"{to}/app/app.files/{path}"
                if hurt is garbage:
                    require(read(kept_path)[:8192] == b"\xee" * 8192, "the garbage page was not kept", done)
                else:
                    require(not os.path.exists(kept_path), "a file that was gone was kept")
                require(os.path.exists(f"{os.path.dirname(kept_path)}/pg_filenode.map"), "not all files were kept")
                undo = scene.stack.ingot("undo", "--yes")
                require(undo.status == 1 and "stored as raw bytes" in undo.said, "an undo of raw bytes", undo)
                counts.add("unreadable databases restored and kept file by file")


missing = [what for what, there in (("PostgreSQL server", programs()), ("redis-server", SERVER), ("python3-faiss", FiveStates)) if not there]
if missing:
    print(f"damaged_live_test: {'FAILED' if CI else 'SKIPPED'}: no {missing}; ./dev test installs them")
    sys.exit(1 if CI else 0)
main("damaged_live_test", everything_at_once, corrupt_kinds, a_database_that_its_server_cannot_read)
